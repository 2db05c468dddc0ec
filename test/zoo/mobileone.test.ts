import { checkNetwork } from './check-network.js';
import { checkDeployed } from './deployed.js';
import { checkRecorded } from './facts.js';

checkNetwork({ name: 'mobileones0', options: { width: 0.1, size: 64 }, lr: 1e-4 });
checkNetwork({ name: 'mobileones4', options: { width: 0.05, size: 64 }, lr: 1e-3 });
checkNetwork({ name: 'mobileones0deploy', options: { width: 0.1, size: 64 } });

checkDeployed('mobileones0', { width: 0.1, size: 64, classes: 10 });
// A 1x1 block of one branch that changes the channels is no sum, but a convolution and its BatchNormalization.
checkDeployed('mobileones1', { width: 0.1, size: 64, classes: 10 }, { foldBatchNorm: true });
checkDeployed('mobileones4', { width: 0.05, size: 64, classes: 10 }, { foldBatchNorm: true });

checkRecorded('timm 1.0.29, before and after reparameterize()', [
  ['mobileones0', {}, 5_293_272, 1_051_935_232, 1097, 'dd6183b5721508f2'],
  ['mobileones0deploy', {}, 2_078_504, 275_110_400, 88, '455e449354a3d535'],
  ['mobileones1', {}, 4_825_192, 830_062_080, 463, '705474fbac565a36'],
  ['mobileones1deploy', {}, 4_764_840, 825_057_024, 88, '307b9b0aaf1f8256'],
  ['mobileones2', {}, 7_884_648, 1_304_027_392, 463, '43b8365c0c2d2829'],
  ['mobileones2deploy', {}, 7_808_168, 1_298_426_496, 88, '80f2c5f1e9ece17a'],
  ['mobileones3', {}, 10_170_600, 1_902_112_768, 463, '1f374656de9d0e86'],
  ['mobileones3deploy', {}, 10_078_312, 1_895_790_592, 88, '8a3e578f4a9339a6'],
  ['mobileones4', {}, 14_951_248, 2_986_802_432, 511, '2c3a466983cd44c1'],
  ['mobileones4deploy', {}, 14_838_352, 2_979_269_760, 136, '8e16cfce07100b88'],
]);
