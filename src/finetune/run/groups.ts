import { CheckFailedError, UsageError } from '../../base/errors.js';
import { didYouMean } from '../../base/nearest.js';
import { type Model, sizeOf } from '../../onnx/index.js';
import { constantOf, globMatcher, restoredParameters, trainables } from '../../reparam/index.js';

/** Settings for the parameters whose names match a glob. */
export interface ParameterGroup {
  readonly pattern: string;
  /** Factor on the learning rate. */
  readonly lr?: number;
  /** Weight decay in place of the common one, for parameters of any rank. */
  readonly decay?: number;
  /** Not trained at all. BatchNormalization statistics go on with `--bn`, whatever becomes of scale and shift. */
  readonly frozen?: true;
}

/** A group and how much it took hold of. */
export interface GroupSummary extends ParameterGroup {
  readonly tensors: number;
  readonly values: number;
}

/** What groups say about each parameter, by initializer name. */
export interface GroupedParameters {
  readonly frozen: ReadonlySet<string>;
  readonly lrFactors: ReadonlyMap<string, number>;
  readonly decays: ReadonlyMap<string, number>;
  readonly groups: readonly GroupSummary[];
}

/**
 * Each parameter's settings: of the groups that match it, a later one goes before an earlier one, setting by setting.
 * @param lrFactors on the rate for other reasons; the group's factor multiplies them
 * @throws CheckFailedError when every parameter is frozen
 */
export function groupParameters(
  model: Model,
  groups: readonly ParameterGroup[],
  lrFactors: ReadonlyMap<string, number>,
): GroupedParameters {
  const sizes = parameterSizes(model);
  const frozen = new Set<string>();
  const factors = new Map(lrFactors);
  const decays = new Map<string, number>();
  const summaries = groups.map((group) => {
    const matches = globMatcher([group.pattern]);
    const names = [...sizes.keys()].filter(matches);
    for (const name of names) {
      if (group.lr !== undefined) factors.set(name, (lrFactors.get(name) ?? 1) * group.lr);
      if (group.decay !== undefined) decays.set(name, group.decay);
      if (group.frozen) frozen.add(name);
    }
    const values = names.reduce((sum, name) => sum + (sizes.get(name) ?? 0), 0);
    return { ...group, tensors: names.length, values };
  });
  if (frozen.size > 0 && frozen.size === sizes.size)
    throw new CheckFailedError({
      problem: '--group freezes every parameter, so there is nothing to train',
      hint: 'name fewer of them',
    });
  return { frozen, lrFactors: factors, decays, groups: summaries };
}

/**
 * @param models all that a run trains: a group may be meant for one of them, or for what training will put into it
 * @throws UsageError for a pattern that matches no parameter of any
 */
export function checkGroups(groups: readonly ParameterGroup[], models: readonly Model[]): void {
  if (groups.length === 0) return;
  const names = [...new Set(models.flatMap((m) => [...parameterSizes(m).keys(), ...restoredParameters(m)]))];
  for (const { pattern } of groups) {
    if (names.some(globMatcher([pattern]))) continue;
    const hint = didYouMean(pattern, names);
    throw new UsageError({
      problem: `--group: no parameter is named '${pattern}'`,
      expected: `a name or a glob, such as ${names.slice(0, 3).join(', ')}, '*.bias'`,
      hint: hint ?? 'reparam inspect lists the layers; * stands for any characters, dots and slashes too',
    });
  }
}

function parameterSizes(model: Model): Map<string, number> {
  return new Map(
    trainables(model).trainable.map((v) => [v.name, constantOf(v)?.size ?? sizeOf(v.shape ?? [])]),
  );
}
