import { type GraphBuilder, Tensor, type Value } from '../../onnx/index.js';

/** Constants and casts in the float type of a value: float32 in a step, float64 where a test wants more digits. */
export interface Numbers {
  readonly dataType: 'float32' | 'float64';
  readonly of: (v: number) => Value;
  readonly cast: (v: Value) => Value;
}

export function numbersLike(b: GraphBuilder, value: Value): Numbers {
  const double = value.type?.kind === 'tensor' && value.type.dataType === 'float64';
  return {
    dataType: double ? 'float64' : 'float32',
    of: (v) => (double ? b.constant(Tensor.float64([], [v])) : b.f32(v)),
    cast: (v) => b.op('Cast', [v], { to: double ? 11 : 1 }),
  };
}
