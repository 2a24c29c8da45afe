// Writes the generated pages of docs/. Run by `npm run generate`; a unit test fails when a page is not up to date.
import { mkdir, writeFile } from 'node:fs/promises';
import { priceInputJsonSchema } from '../billing/price-input.ts';
import { tokenFileJsonSchema } from '../identity/readers/token-file-format.ts';
import { priceBookJsonSchema } from '../pricing/book/format.ts';
import { pricingConfigJsonSchema } from '../pricing/config/format.ts';
import { groupsJsonSchema } from '../query/groups/schema.ts';
import { seriesJsonSchema } from '../series/format.ts';
import { sinksFileJsonSchema } from '../sinks/config.ts';
import { columnsPage } from '../table/schema.ts';
import { topologyJsonSchema } from '../topology/schema.ts';

const docs = new URL('../../../docs/', import.meta.url);
await mkdir(docs, { recursive: true });
await writeFile(new URL('columns.md', docs), columnsPage());
await writeFile(new URL('topology.schema.json', docs), jsonPage(topologyJsonSchema()));
await writeFile(new URL('groups.schema.json', docs), jsonPage(groupsJsonSchema()));
await writeFile(new URL('series.schema.json', docs), jsonPage(seriesJsonSchema()));
await writeFile(new URL('read-tokens.schema.json', docs), jsonPage(tokenFileJsonSchema()));
await writeFile(new URL('sinks.schema.json', docs), jsonPage(sinksFileJsonSchema()));
await writeFile(new URL('price-book.schema.json', docs), jsonPage(priceBookJsonSchema()));
await writeFile(new URL('pricing.schema.json', docs), jsonPage(pricingConfigJsonSchema()));
await writeFile(new URL('price-input.schema.json', docs), jsonPage(priceInputJsonSchema()));

function jsonPage(document: unknown): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
