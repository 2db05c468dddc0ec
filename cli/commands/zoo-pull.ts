import { command } from '../command.js';
import { integer, oneOf, text, toggle } from '../flags.js';
import { GROUPS } from '../groups.js';

const { model: group, run, output } = GROUPS;

export const zooPull = command({
  name: 'zoo pull',
  describe: 'Download published weights of a network, and write it with them as ONNX',
  positionals: [{ name: 'name', describe: 'a name of reparam zoo list' }],
  flags: {
    out: {
      kind: text('FILE', 'a file name'),
      describe: 'Where to write the model [default: NAME.onnx]',
      alias: 'o',
      maybe: true,
      group: output,
    },
    source: {
      kind: oneOf('torchvision', 'timm', 'keras', 'onnx'),
      describe: 'Who publishes the weights [default: the first that has the network]',
      maybe: true,
      group,
    },
    tag: {
      kind: text('TAG'),
      describe: "The publisher's name for the weights, such as IMAGENET1K_V1 [default: its own default]",
      maybe: true,
      group,
    },
    from: {
      kind: text('FILE', 'a file name'),
      describe:
        'A file of weights on this machine, in place of a download: .pth, .pt, .safetensors, .h5, .keras, .onnx',
      maybe: true,
      group,
    },
    cache: {
      kind: text('DIR', 'a folder name'),
      describe: "Folder of downloads [default: REPARAM_CACHE, or the system's place for caches]",
      maybe: true,
      group: run,
    },
    mirror: {
      kind: text('URL'),
      describe:
        "A place that has the publisher's files: its path is appended, or put for {host} and {path} [default: REPARAM_MIRROR]",
      maybe: true,
      group: run,
    },
    retries: {
      kind: integer(0, { most: 1000 }),
      describe: 'Further tries after a connection has failed',
      default: 4,
      group: run,
    },
    force: {
      kind: toggle,
      describe: 'Download again what the cache has; replace NAME.onnx',
      default: false,
      group: run,
    },
  },
  examples: [
    ['zoo pull resnet50', "resnet50.onnx with torchvision's weights"],
    ['zoo pull resnet50 --source timm --tag resnet50.tv_in1k -o net.onnx', 'others of the same network'],
    ['zoo pull resnet50 --from resnet50-0676ba61.pth', 'a file that is here already'],
  ],
  notes: [
    'A download that was cut or stopped is gone on with by the same command. Proxies: HTTPS_PROXY, HTTP_PROXY, NO_PROXY.',
  ],
  run: async ({ name, ...options }, context) => {
    const { pullNetwork } = await import('../../src/zoo/pull/pull.js');
    const { pulledText } = await import('../../src/report/pull-text.js');
    const listener = await context.listen();
    const pulled = await pullNetwork(name, options, listener, context.signal);
    return { json: pulled, text: pulledText(pulled) };
  },
});
