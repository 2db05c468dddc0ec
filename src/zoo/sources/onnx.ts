/**
 * Whole models of the ONNX Model Zoo, with the sizes and SHA-256 of its manifest (ONNX_HUB_MANIFEST.json). Its files left
 * GitHub's LFS in July 2025 for Hugging Face; copies of the repository may still have them under the old path. Top-1 is that
 * of each model's README, and so is the preprocessing; where a README does not say it, nobody guesses here.
 */
import { type Preprocess, presetPreprocess } from '../../base/preprocess.js';
import type { WeightSource } from './source.js';

const FOLDER = 'validated/vision/classification/';
const OLD_PLACE = `https://media.githubusercontent.com/media/onnx/models/main/${FOLDER}`;

/** GoogLeNet's README: the whole image becomes 224x224, means are taken off, then the channels are turned round. */
const GOOGLENET: Preprocess = {
  ...presetPreprocess('caffe'),
  resize: null,
  crop: 'none',
  interpolation: 'bicubic',
};

type Row = readonly [
  network: string,
  /** Folder and file of the repository. */
  folder: string,
  stem: string,
  sha256: string,
  bytes: number,
  top1: number | undefined,
  preprocess: Preprocess | undefined,
];

const IMAGENET = presetPreprocess('imagenet');

// biome-ignore format: one model per line
const ROWS: readonly Row[] = [
  ['alexnet', 'alexnet', 'bvlcalexnet-12', '6b0da9510f27f234ee96a85dc3809dd210150fdefad87f6850f9788513216945', 243863787, 54.8, undefined],
  ['densenet121', 'densenet-121', 'densenet-12', '0294e7e88e5b3360de9b0fdc321baf9e6ef18b7f058c4536caae3b9f18ed9ed5', 32726877, 60.96, undefined],
  ['googlenet', 'inception_and_googlenet/googlenet', 'googlenet-12', 'c99c507058eaf41de8723408fdda7db8325cb57f0a89f2ee07a716d6e963e14e', 28021836, 67.78, GOOGLENET],
  ['mobilenetv2', 'mobilenet', 'mobilenetv2-10', '0e7c0aa4bc74650386fa1d2c84705753de7c2bdb21909ada5c59154bb429e092', 13963115, 70.94, IMAGENET],
  ['resnet18', 'resnet', 'resnet18-v1-7', '4e8f8653e7a2222b3904cc3fe8e304cd8b339ce1d05fd24688162f86fb6df52c', 46820737, 69.93, IMAGENET],
  ['resnet34', 'resnet', 'resnet34-v1-7', '883a41b2e30ddc2e422c108b091b5e70b92d37dc5c345a2c563dcae27971e2cc', 87302588, 73.73, IMAGENET],
  ['resnet50', 'resnet', 'resnet50-v1-12', '3f03fdef724b22947eed826f1eef1dc5c34151bb4c37d634f1db89dfa2dd1526', 102576593, 74.97, IMAGENET],
  ['resnet101', 'resnet', 'resnet101-v1-7', '760702f6ec0138f71ebac66f4e95d1c72dc9267a8544f4d4667a53075fd0497c', 178914043, 76.48, IMAGENET],
  ['resnet152', 'resnet', 'resnet152-v1-7', 'b0ec92437bf8c9d0739bf9bafdea9638e13f9e3c1e2fb766ad546cc182fd3f6d', 241816206, 77.11, IMAGENET],
  ['shufflenetv2x10', 'shufflenet', 'shufflenet-v2-10', '8b85e969a0a5518b554c99548379d1ba54d973733a6a12012138d91852308584', 9218554, 69.36, IMAGENET],
  ['squeezenet10', 'squeezenet', 'squeezenet1.0-12', 'dec81a8684617770b3cf13fadc1d92565d1d453d23935fc6388b792d99c992bd', 4952956, 56.85, IMAGENET],
  ['squeezenet11', 'squeezenet', 'squeezenet1.1-7', '1eeff551a67ae8d565ca33b572fc4b66e3ef357b0eb2863bb9ff47a918cc4088', 4956208, 56.34, IMAGENET],
  ['vgg16', 'vgg', 'vgg16-12', '722c42f53ca03a5480296bf8f9c85a151de3eed9ec982d7d2302ff6e2900c67b', 553437752, 72.38, IMAGENET],
  ['vgg16bn', 'vgg', 'vgg16-bn-7', '4fdceabf1ef715c9ed3020fa2eac1cb2a448296c086b03633c80cf47e1c5afce', 553512191, 72.71, IMAGENET],
  ['vgg19', 'vgg', 'vgg19-7', '692f9f927f1df1b89033787a77a73eac59fd9b3344f9ecdf0b13221e41c2046f', 574677321, 73.72, IMAGENET],
  ['vgg19bn', 'vgg', 'vgg19-bn-7', 'ce0987dfa6228ad29708013f38b7f73cbc14ca6066a05fc22ee49b35871c63ed', 574774380, 73.83, IMAGENET],
];

export const ONNX_MODEL_ZOO: readonly WeightSource[] = ROWS.map(
  ([network, folder, stem, sha256, bytes, top1, preprocess]): WeightSource => ({
    source: 'onnx',
    network,
    tag: stem,
    options: {},
    urls: [
      `https://huggingface.co/onnxmodelzoo/${stem}/resolve/main/${stem}.onnx`,
      `${OLD_PLACE}${folder}/model/${stem}.onnx`,
    ],
    file: `${stem}.onnx`,
    checksum: { algorithm: 'sha256', hex: sha256 },
    bytes,
    preprocess,
    ...(top1 !== undefined && {
      top1: { percent: top1, source: `onnx/models, ${FOLDER}${folder}/README.md` },
    }),
    licence: 'apache-2.0',
    content: 'graph',
  }),
);
