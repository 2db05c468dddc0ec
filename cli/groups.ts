/** Headings of the options in the help, in this order. */
export const GROUPS = {
  model: 'Model and data:',
  zoo: 'Networks of the zoo:',
  method: 'Method:',
  training: 'Training:',
  run: 'Run:',
  output: 'Output:',
} as const;
