import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** Packages that bring Vulkan's loader and a driver that computes on the processor. */
const BROWSERS = [
  '/usr/lib/chromium',
  '/usr/lib/chromium-browser',
  '/opt/google/chrome',
  '/opt/chromium.org/chromium',
];
const MESA = ['/usr/share/vulkan/icd.d/lvp_icd.x86_64.json', '/usr/share/vulkan/icd.d/lvp_icd.json'];

/**
 * What a process needs in its environment to compute on WebGPU without a graphics adapter; empty where no software driver
 * is installed, or where the environment names a driver already. It must be there before the process starts.
 */
export function softwareDriver(): Readonly<Record<string, string>> {
  const { VK_ICD_FILENAMES, VK_DRIVER_FILES, LD_LIBRARY_PATH } = process.env;
  if (process.platform !== 'linux' || VK_ICD_FILENAMES || VK_DRIVER_FILES) return {};
  const browser = BROWSERS.find(
    (folder) =>
      existsSync(join(folder, 'vk_swiftshader_icd.json')) && existsSync(join(folder, 'libvulkan.so.1')),
  );
  if (browser)
    return {
      VK_ICD_FILENAMES: join(browser, 'vk_swiftshader_icd.json'),
      LD_LIBRARY_PATH: [browser, LD_LIBRARY_PATH].filter(Boolean).join(':'),
    };
  const mesa = MESA.find((file) => existsSync(file));
  return mesa ? { VK_ICD_FILENAMES: mesa } : {};
}
