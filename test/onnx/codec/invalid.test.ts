import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect } from 'vitest';
import { InputError } from '../../../src/base/errors.js';
import { encodeModel, loadModel } from '../../../src/onnx/index.js';
import { golden, goldenTest } from '../../support/goldens.js';
import { wireDifference } from '../../support/wire.js';

/** Malformed files whose fault is one of form or structure, with a word that the message must hold. */
const STRUCTURAL: Readonly<Record<string, RegExp>> = {
  'truncated_1.onnx': /truncated/,
  'truncated_2.onnx': /no graph/,
  'truncated_7.onnx': /bytes declared, 3 left.*truncated/s,
  'truncated_108.onnx': /bytes declared, 95 left in graph/,
  'truncated_360.onnx': /truncated/,
  'truncated_540.onnx': /truncated/,
  'truncated_972.onnx': /truncated/,
  'truncated_1079.onnx': /bytes declared, 3 left in opset_import/,
  'empty.onnx': /is empty/,
  'random.onnx': /not a readable ONNX model/,
  'zeros.onnx': /field number 0/,
  'zip.onnx': /zip archive/,
  'gzip.onnx': /gzip/,
  'html.onnx': /HTML/,
  'lfs_pointer.onnx': /Git LFS pointer/,
  'json.onnx': /JSON/,
  'text_png.onnx': /PNG/,
  'wire_graph_varint.onnx': /wire type 0, expected 2 .* in graph/,
  'wire_ir_version_bytes.onnx': /wire type 2.* in ir_version/,
  'wire_type_6.onnx': /wire type 6/,
  'wire_end_group.onnx': /end of group/,
  'wire_field_zero.onnx': /field number 0/,
  'wire_length_overrun.onnx': /1073741824 bytes declared, 1061 left/,
  'wire_length_negative.onnx': /bytes declared, 1061 left/,
  'wire_varint_too_long.onnx': /more than 10 bytes/,
  'wire_nested_overrun.onnx': /5000 bytes declared, 20 left in graph\.node/,
  'wire_float_data_odd.onnx': /7 bytes of packed float/,
  'cyclic.onnx': /cycle through Relu 'relu'/,
  'self_loop.onnx': /cycle through Relu 'relu'/,
  'missing_initializer.onnx': /Gemm 'fc' reads 'w2'/,
  'dangling_input.onnx': /Conv 'conv' reads 'nowhere'/,
  'output_undefined.onnx': /output 'ghost' is made by no node/,
  'no_outputs.onnx': /no outputs/,
  'no_graph.onnx': /no graph/,
  'no_nodes.onnx': /output 'y' is made by no node/,
  'duplicate_initializer.onnx': /two initializers are named 'w2'/,
  'duplicate_output.onnx': /'n' is defined twice/,
  'duplicate_input.onnx': /'x' is defined twice/,
  'custom_domain_not_imported.onnx': /domain 'com\.example\.custom', which the model does not import/,
  'empty_op_type.onnx': /'relu' has an empty op_type/,
  'opset_99.onnx': /opset.*found 99/,
  'opset_0.onnx': /opset.*found 0/,
  'no_opset.onnx': /imports no operator set/,
  'two_opsets.onnx': /'ai\.onnx' twice.*17 and 11/,
  'ir_999.onnx': /ir_version.*found 999/,
  'dtype_unknown.onnx': /'w1' has the unknown data type 99/,
  'dtype_undefined.onnx': /'w1' has no data type/,
  'negative_dim.onnx': /'w1' has a negative dimension.*-4/,
  'dims_overflow.onnx': /'w1'.*more elements than can exist/,
  'dims_overflow_wraps_to_zero.onnx': /'w1'.*more elements than can exist/,
  'dims_huge.onnx': /'w1'.*too short; expected 28991029248 bytes.*found 432/,
  'raw_data_short.onnx': /'w1'.*too short; expected 432 .*found 429/,
  'raw_data_long.onnx': /'w1'.*too long; expected 432 .*found 440/,
  'raw_and_float_data.onnx': /'b1'.*raw_data and float_data/,
  'no_data.onnx': /'w1'.*has no data/,
  'unnamed_initializer.onnx': /an initializer has no name/,
  'external_missing.onnx': /'w1'.*absent\.bin: no such file/,
  'external_traversal.onnx': /'\.\.\/\.\.\/x' leaves the model's folder/,
  'external_traversal_inner.onnx': /leaves the model's folder/,
  'external_traversal_backslash.onnx': /backslash/,
  'external_absolute.onnx': /is absolute/,
  'external_absolute_drive.onnx': /names a drive/,
  'external_url.onnx': /is a URL/,
  'external_no_location.onnx': /no location/,
  'external_short.onnx': /'external\.bin' is too short; expected 432 bytes at offset 0; found a file of 400/,
  'external_offset_past_end.onnx': /too short; expected 432 bytes at offset 100000/,
  'external_offset_negative.onnx': /offset.*found '-16'/,
  'external_length_mismatch.onnx': /length.*found 64/,
  'external_offset_not_number.onnx': /offset.*found 'abc'/,
  'external_is_directory.onnx': /not a regular file/,
  'attribute_duplicate.onnx': /'strides' is given twice/,
  'invalid_utf8_name.onnx': /not UTF-8 in graph\.node\.name/,
  'nested_bytes_2500.onnx': /nested/,
};

/** Legal to read: nodes are put in order, so only these come back changed. */
const SORTED = new Set(['not_sorted.onnx']);

interface Entry {
  readonly file: string;
  readonly kind: string;
  readonly expect: string;
}

function entries(): Entry[] {
  return readFileSync(golden('invalid', 'index.jsonl'), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line): Entry => JSON.parse(line))
    .filter((e) => e.kind === 'onnx');
}

goldenTest('malformed files are refused in words that name the fault', async () => {
  const problems: string[] = [];
  const files = new Set(entries().map((e) => e.file));
  for (const [file, words] of Object.entries(STRUCTURAL)) {
    expect(files).toContain(file);
    const error: unknown = await loadModel(golden('invalid', file)).then(
      () => undefined,
      (e) => e,
    );
    if (!(error instanceof InputError)) problems.push(`${file}: ${error ? `${error}` : 'was accepted'}`);
    else if (!words.test(error.message) || !error.message.includes(file) || error.exitCode !== 3)
      problems.push(`${file}: ${error.message}`);
  }
  expect(problems).toEqual([]);
});

goldenTest('every other file of the set is read, and comes back with the same fields', async () => {
  const problems: string[] = [];
  let kept = 0;
  for (const { file, expect: wanted } of entries()) {
    if (Object.hasOwn(STRUCTURAL, file)) {
      if (wanted.startsWith('accept')) problems.push(`${file} should be accepted`);
      continue;
    }
    const path = resolve(golden('invalid'), file);
    const difference = wireDifference(encodeModel(await loadModel(path)), readFileSync(path));
    if (SORTED.has(file) ? difference.length === 0 : difference.length > 0)
      problems.push(`${file}: ${difference.join('\n')}`);
    kept++;
  }
  expect(problems).toEqual([]);
  expect(kept).toBe(entries().length - Object.keys(STRUCTURAL).length);
});
