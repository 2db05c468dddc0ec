import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The folder of downloaded files: `chosen`, REPARAM_CACHE, XDG_CACHE_HOME/reparam, or the platform's place for caches.
 * A relative XDG_CACHE_HOME counts as unset, as its specification wants.
 */
export function cacheFolder(
  chosen: string | undefined,
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homedir(),
): string {
  if (chosen) return resolve(chosen);
  if (env.REPARAM_CACHE) return resolve(env.REPARAM_CACHE);
  if (env.XDG_CACHE_HOME?.startsWith('/')) return join(env.XDG_CACHE_HOME, 'reparam');
  if (platform === 'win32')
    return join(env.LOCALAPPDATA ?? join(home, 'AppData', 'Local'), 'reparam', 'Cache');
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'reparam');
  return join(home, '.cache', 'reparam');
}
