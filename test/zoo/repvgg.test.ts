import { checkNetwork } from './check-network.js';
import { checkDeployed } from './deployed.js';
import { checkRecorded } from './facts.js';

checkNetwork({ name: 'repvgga0', options: { width: 0.1, size: 64 }, lr: 1e-3 });
checkNetwork({ name: 'repvgga0deploy', options: { width: 0.1, size: 64 } });

checkDeployed('repvgga0', { width: 0.1, size: 64, classes: 10 });
checkDeployed('repvggb1g4', { width: 0.05, size: 64, classes: 10 });

// timm has no g2: its ByobNet with the settings of the g4 networks and two groups.
checkRecorded('timm 1.0.29, before and after reparameterize()', [
  ['repvgga0', {}, 9_108_968, 1_512_581_120, 290, 'a950e0616f1d1be5'],
  ['repvgga0deploy', {}, 8_309_384, 1_361_451_008, 46, '0c35d62f03d6edab'],
  ['repvgga1', {}, 14_092_264, 2_626_488_320, 290, '3555c25be4b1a836'],
  ['repvgga1deploy', {}, 12_789_864, 2_363_967_488, 46, '3295e49c68cea8d4'],
  ['repvgga2', {}, 28_210_600, 5_685_345_280, 290, 'a5078d8ea49bb805'],
  ['repvgga2deploy', {}, 25_499_944, 5_116_951_552, 46, '182b44fb5ae30875'],
  ['repvggb0', {}, 15_817_960, 3_397_191_680, 374, '9fde185d83b50b1c'],
  ['repvggb0deploy', {}, 14_339_048, 3_057_600_512, 58, 'afdbed4005f439fd'],
  ['repvggb1', {}, 57_415_016, 13_128_089_600, 374, '007f6e77fa0ac5b5'],
  ['repvggb1deploy', {}, 51_829_480, 11_815_485_440, 58, '0d9166b6c46b7909'],
  ['repvggb1g4', {}, 39_966_056, 8_118_517_760, 374, '55c3734ca8f61eb2'],
  ['repvggb1g4deploy', {}, 36_125_416, 7_306_870_784, 58, 'c9bf7292cc27f4d6'],
  ['repvggb2', {}, 89_022_376, 20_418_170_880, 374, 'f8b302321d4a21c7'],
  ['repvggb2deploy', {}, 80_315_112, 18_376_609_792, 58, 'b2512b4aa8007ef6'],
  ['repvggb2g4', {}, 61_758_376, 12_590_714_880, 374, '61076b2257767487'],
  ['repvggb2g4deploy', {}, 55_777_512, 11_331_899_392, 58, 'c8e4466d59fa56c9'],
  ['repvggb3', {}, 123_085_288, 29_120_696_320, 374, '4d9b6c578451f8f5'],
  ['repvggb3deploy', {}, 110_960_872, 26_208_882_688, 58, '278dbf1b4255e278'],
  ['repvggb3g4', {}, 83_825_128, 17_849_159_680, 374, '41ac020ea4689f76'],
  ['repvggb3g4deploy', {}, 75_626_728, 16_064_499_712, 58, '7c715470f59e19ee'],
  ['repvggb1g2', {}, 45_782_376, 9_788_375_040, 374, '26546065fe4b4465'],
  ['repvggb1g2deploy', {}, 41_360_104, 8_809_742_336, 58, '0dfd735b67f390ca'],
  ['repvggb2g2', {}, 70_846_376, 15_199_866_880, 374, '7b8ecef9c4d52c2b'],
  ['repvggb2g2deploy', {}, 63_956_712, 13_680_136_192, 58, '8a043d4d3a76ae37'],
  ['repvggb3g2', {}, 96_911_848, 21_606_338_560, 374, 'f746037dab8f2342'],
  ['repvggb3g2deploy', {}, 87_404_776, 19_445_960_704, 58, '8e2d763a26dc553c'],
]);
