import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PATHS = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

/** A browser on this machine (environment variable CHROMIUM, or where packages put one); undefined: there is none. */
export const chromiumPath = PATHS.find((path) => path !== undefined && path !== '' && existsSync(path));

/** Why a test that needs one is skipped. */
export const NO_CHROMIUM = 'no Chromium found; set CHROMIUM to its path';

/** Starts it without a window and without network. */
export function startChromium(): Promise<Browser> {
  if (chromiumPath === undefined) throw new Error(NO_CHROMIUM);
  return chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
}
