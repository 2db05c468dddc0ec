/** Puts weights of other packages into networks of the zoo. */
export { type BuiltFromWeights, buildFromWeights } from './build.js';
export { type FillOptions, fillFromCheckpoint } from './fill.js';
export { guessNaming, nameMap, namings } from './maps.js';
export { NAMINGS, type Naming, namingText } from './naming.js';
