/** What a pull tells its listener. Listeners must not throw. */
export type PullEvent =
  | { readonly type: 'log'; readonly level: 'info' | 'warning'; readonly message: string }
  | DownloadEvent;

/** Bytes of a file that are on the disk. */
export interface DownloadEvent {
  readonly type: 'download';
  readonly what: string;
  readonly done: number;
  /** Null while the server has not said it. */
  readonly total: number | null;
}

export type PullListener = (event: PullEvent) => void;
