import { command } from '../command.js';
import { integer, oneOf } from '../flags.js';
import { GROUPS } from '../groups.js';
import { readModel } from '../read-model.js';

export const inspect = command({
  name: 'inspect',
  describe: 'Layers of a model with output shapes, parameters, mult-adds, connections, and its memory',
  positionals: [{ name: 'model', describe: 'an ONNX file' }],
  flags: {
    batch: { kind: integer(1), describe: 'Images to count for', default: 1, group: GROUPS.model },
    format: {
      kind: oneOf('text', 'markdown', 'csv'),
      describe: 'How the table is written',
      default: 'text',
      group: GROUPS.output,
    },
  },
  examples: [
    ['inspect net.onnx', 'one row per layer, totals below'],
    ['inspect net.onnx --format csv > layers.csv', 'for a spreadsheet'],
  ],
  run: async ({ model: file, batch, format }, context) => {
    const { countModel } = await import('../../src/onnx/index.js');
    const { inspectHeader, inspectJson, inspectTable } = await import('../../src/report/inspect.js');
    const { readForm } = await import('../../src/reparam/index.js');
    const model = await readModel(file, context);
    const frozen = new Set(readForm(model)?.layers.map((l) => l.base));
    const counted = countModel(model, { batch, role: (v) => (frozen.has(v) ? 'frozen' : undefined) });
    const table = inspectTable(counted, format);
    return {
      json: inspectJson(model, counted),
      text: format === 'text' ? `${file}: ${inspectHeader(model)}\n\n${table}` : table,
    };
  },
});
