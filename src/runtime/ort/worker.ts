/** The thread that owns every session of one engine. */
import { serve } from '../worker/serve.js';
import { loadRuntime } from './load.js';
import { SessionTable } from './sessions.js';

await serve(async () => {
  const ort = await loadRuntime();
  return {
    version: ort.env.versions.node ?? ort.env.versions.common,
    backends: ort.listSupportedBackends(),
    sessions: new SessionTable(ort),
  };
});
