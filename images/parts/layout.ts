// Where things lie in an image, and who runs there. Knows paths and names.

export const NODE = '/usr/local/bin/node';
export const PROGRAM_FOLDER = '/opt/flowtoll';
export const EXTENSIONS_FOLDER = `${PROGRAM_FOLDER}/duckdb-extensions`;

/** The agent is root, with as few capabilities as it is given; the aggregator is nobody. */
export const USERS = {
  root: { name: 'root', id: 0 },
  flowtoll: { name: 'flowtoll', id: 65532 },
} as const;
