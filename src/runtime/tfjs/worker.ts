/** The thread that owns TensorFlow.js and every session of one engine. */
import { serve } from '../worker/serve.js';
import { loadTfjs } from './load.js';
import { TfjsSessions } from './sessions.js';

await serve(async () => {
  const tf = await loadTfjs();
  return {
    version: tf.version_core,
    backends: [{ name: tf.getBackend(), bundled: true }],
    sessions: new TfjsSessions(tf),
  };
});
