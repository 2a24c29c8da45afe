// The one error of TLS files. What each program makes of it (an exit code, a line of its log) is the program's.

/** A file of certificates or keys that cannot be used. The message says which file, what is wrong, and what to do. */
export class TlsFileError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TlsFileError';
  }
}
