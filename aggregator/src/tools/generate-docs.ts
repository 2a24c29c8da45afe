// Writes the generated pages of docs/. Run by `npm run generate`; a unit test fails when a page is not up to date.
import { mkdir, writeFile } from 'node:fs/promises';
import { columnsPage } from '../table/schema.ts';

const docs = new URL('../../../docs/', import.meta.url);
await mkdir(docs, { recursive: true });
await writeFile(new URL('columns.md', docs), columnsPage());
