import { UsageError } from '../../base/errors.js';

/** A place that has the publishers' files too, as the user named it. */
export interface Mirror {
  /** A URL; `{host}` and `{path}` stand for those of the publisher's URL, which is appended where they do not occur. */
  readonly template: string;
  /** What named it, for messages: `--mirror`, `REPARAM_MIRROR`, `HF_ENDPOINT`. */
  readonly from: string;
  /** Serves this host only. Default: all. */
  readonly host?: string;
}

/**
 * The mirror that the user wants: `chosen`, or REPARAM_MIRROR, or HF_ENDPOINT, which other tools know too and which stands for
 * huggingface.co alone. @throws UsageError when it is no http(s) URL
 */
export function chosenMirror(
  chosen: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Mirror | undefined {
  const mirror: Mirror | undefined = chosen
    ? { template: chosen, from: '--mirror' }
    : env.REPARAM_MIRROR
      ? { template: env.REPARAM_MIRROR, from: 'REPARAM_MIRROR' }
      : env.HF_ENDPOINT
        ? { template: env.HF_ENDPOINT, from: 'HF_ENDPOINT', host: 'huggingface.co' }
        : undefined;
  if (mirror) mirrored('https://huggingface.co/a', mirror);
  return mirror;
}

/** Where the mirror has the file of a publisher's URL. @throws UsageError when that is no http(s) URL */
export function mirrored(url: string, mirror: Mirror | undefined): string {
  const { host, pathname } = new URL(url);
  if (!mirror || (mirror.host !== undefined && mirror.host !== host)) return url;
  const { template } = mirror;
  const filled =
    template.includes('{host}') || template.includes('{path}')
      ? template.replaceAll('{host}', host).replaceAll('{path}', pathname.slice(1))
      : template.replace(/\/*$/, '') + pathname;
  const made = URL.canParse(filled) ? new URL(filled) : undefined;
  if (made && (made.protocol === 'https:' || made.protocol === 'http:')) return filled;
  throw new UsageError({
    problem: `${mirror.from} ${template}`,
    expected: 'an http or https URL, such as https://mirror.example/{host}/{path}',
  });
}
