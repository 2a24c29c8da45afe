// JSON text → values, with every number as it is written. A double would make 0.087 something else; money must not. Knows no
// document.
import { FlowtollError } from '../../model/errors.ts';

/** A number of a JSON text, digit by digit. */
export class ExactNumber {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Parses JSON; numbers become `ExactNumber`. `name` names the document in the PRICE_DOCUMENT_INVALID that it throws. */
export function parseExactJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text, (_key, value: unknown, context?: { readonly source?: string }) =>
      typeof value === 'number' ? new ExactNumber(context!.source!) : value,
    );
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlowtollError(
      'PRICE_DOCUMENT_INVALID',
      `${name} is no JSON: ${reason}; it may be cut off, or the page of an error: fetch it again`,
      { cause },
    );
  }
}
