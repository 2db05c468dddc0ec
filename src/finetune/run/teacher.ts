import { InputError } from '../../base/errors.js';
import { PREPROCESS_KEY, type Preprocess } from '../../base/preprocess.js';
import { inputSize } from '../../data/index.js';
import type { TeacherModel } from '../step/teacher.js';
import { resolveModel, resolvePreprocess } from './resolve.js';

/**
 * The network to learn from. Its pixels are normalized as its own metadata say, where there are any.
 * @throws InputError when it wants other pixels than the network that is trained
 */
export async function loadTeacher(name: string, student: Preprocess): Promise<TeacherModel> {
  const { model } = await resolveModel(name, '--distill');
  const preprocess = model.metadata.has(PREPROCESS_KEY) ? await resolvePreprocess(model, undefined) : student;
  const [own, other] = [pixelsOf(preprocess), pixelsOf(student)];
  if (own !== other)
    throw new InputError({
      problem: `--distill ${name} and the network that is trained read different pixels`,
      expected: other,
      found: own,
      hint: 'both must take images of one size and one channel order',
    });
  return { model, preprocess };
}

function pixelsOf(preprocess: Preprocess): string {
  const { height, width } = inputSize(preprocess);
  return `${height}×${width} ${preprocess.channels}`;
}
