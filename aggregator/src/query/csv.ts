// RFC 4180 lines, with LF. Null is an empty field, an empty text is "".

/** One line, with its end. */
export function csvLine(fields: readonly (string | null)[]): string {
  return `${fields.map(csvField).join(',')}\n`;
}

function csvField(field: string | null): string {
  if (field === null) {
    return '';
  }
  return field === '' || /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
