import { UsageError } from '../../src/base/errors.js';
import { command } from '../command.js';
import { texts } from '../flags.js';
import { GROUPS } from '../groups.js';

export const zooList = command({
  name: 'zoo list',
  describe: 'List the networks that the zoo builds: counts, known top-1, where weights are',
  positionals: [],
  flags: {
    match: {
      kind: texts('GLOB', 'a pattern'),
      describe: 'Only networks whose name or family is so, or contains it; may be given several times',
      default: [],
      group: GROUPS.model,
    },
  },
  examples: [
    ['zoo list', 'names, sizes, papers, and which come trained'],
    ['zoo list --match resnet', 'one family'],
    ["zoo list --match 'vgg1?' --json", 'exact counts, published figures and every source of weights'],
  ],
  run: async ({ match }, { columns }) => {
    const { builtinCheckpoint, weightSources, ZOO, zooCounts } = await import('../../src/zoo/index.js');
    const { globMatcher } = await import('../../src/reparam/index.js');
    const { networkJson, zooListText } = await import('../../src/report/zoo-list.js');
    const wanted = globMatcher(match.flatMap((m) => [m.toLowerCase(), `*${m.toLowerCase()}*`]));
    const entries = ZOO.filter((e) => match.length === 0 || wanted(e.name) || wanted(e.family.toLowerCase()));
    if (entries.length === 0)
      throw new UsageError({
        problem: `no network or family is called ${match.join(' or ')}`,
        expected: `a part of a name, or a family: ${[...new Set(ZOO.map((e) => e.family))].join(', ')}`,
      });
    const networks = Array.from(zooCounts(entries), ([entry, counts]) => ({
      entry,
      counts,
      weights: weightSources(entry.name),
      trainedOn: builtinCheckpoint(entry.name)?.dataset,
    }));
    return { json: { networks: networks.map(networkJson) }, text: zooListText(networks, columns) };
  },
});
