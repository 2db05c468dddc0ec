import { command } from '../command.js';

export const doctor = command({
  name: 'doctor',
  describe: 'What this machine offers: Node, the runtime and its devices, what is missing and how to get it',
  positionals: [],
  flags: {},
  examples: [['doctor', 'runs a small graph on each device that can be used']],
  notes: ['Exit code 4: something is missing.'],
  run: async () => {
    const { diagnose } = await import('../../src/runtime/index.js');
    const { doctorText } = await import('../../src/report/doctor-text.js');
    const diagnosis = await diagnose();
    return { json: diagnosis, text: doctorText(diagnosis), exitCode: diagnosis.ok ? 0 : 4 };
  },
});
