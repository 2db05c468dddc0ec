import { decodeSafetensors, type SafetensorsFile } from '../../importers/index.js';

/** The tensors of a file in a run's folder. @throws InputError naming the file when it is damaged */
export function decodeStored(file: Uint8Array, path: string): SafetensorsFile {
  return decodeSafetensors(file, path, {
    what: 'checkpoint',
    hint: 'start the run anew, without --resume',
  });
}
