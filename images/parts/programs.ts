// The two programs that images are made of: where their sources begin, which threads they start, which native parts they load.
// Knows names; builds nothing.

/** What runs in an image. */
export type ProgramName = 'agent' | 'aggregator';

export interface Program {
  readonly name: ProgramName;
  /** What users type. */
  readonly command: string;
  /** The file that the command runs, relative to the repository. */
  readonly main: string;
  /** Files that run in threads of their own. Each becomes a file beside the main one, under its own name. */
  readonly threads: readonly string[];
  /** npm packages with native parts, by what the bundle calls them: see `nativeFiles`. */
  readonly natives: readonly NativePart[];
  /** Packages of others that parts ask for which the program never uses: they are not in it. */
  readonly leftOut: readonly string[];
  /** Whether what is imported only when it is used is left in files of its own. */
  readonly split: boolean;
}

/** A package that is native code: JavaScript asks for it by name, the image has its file under `native/`. */
export interface NativePart {
  /** What JavaScript imports: the package, without its architecture. */
  readonly imported: RegExp;
  /** npm packages that hold it, by Node's name of an architecture. */
  readonly packages: Readonly<Record<NodeArchitecture, string>>;
  /** Files of the package → names below `native/`. The first is what is loaded. */
  readonly files: Readonly<Record<NodeArchitecture, readonly (readonly [from: string, to: string])[]>>;
  /** What of others is compiled into it that databases of vulnerabilities know by its own name. */
  readonly contains?: {
    readonly name: string;
    /** The npm package's version → its own. */
    readonly version: (packageVersion: string) => string;
    /** SPDX expression. */
    readonly license: string;
    /** Vendor and product of its CPE. */
    readonly cpe: string;
  };
}

/** Architectures as Node names them. */
export type NodeArchitecture = 'x64' | 'arm64';

const KOFFI: NativePart = {
  imported: /^@koromix\/koffi-linux-(x64|arm64)$/,
  packages: { x64: '@koromix/koffi-linux-x64', arm64: '@koromix/koffi-linux-arm64' },
  files: {
    x64: [['linux_x64/koffi.node', 'koffi.node']],
    arm64: [['linux_arm64/koffi.node', 'koffi.node']],
  },
};

const DUCKDB: NativePart = {
  imported: /^@duckdb\/node-bindings$/,
  packages: { x64: '@duckdb/node-bindings-linux-x64', arm64: '@duckdb/node-bindings-linux-arm64' },
  files: {
    x64: [
      ['duckdb.node', 'duckdb.node'],
      ['libduckdb.so', 'libduckdb.so'],
    ],
    arm64: [
      ['duckdb.node', 'duckdb.node'],
      ['libduckdb.so', 'libduckdb.so'],
    ],
  },
  // "1.5.5-r.5": the fifth release of the bindings to DuckDB 1.5.5.
  contains: { name: 'duckdb', version: (text) => text.split('-')[0]!, license: 'MIT', cpe: 'duckdb:duckdb' },
};

export const PROGRAMS: Readonly<Record<ProgramName, Program>> = {
  agent: {
    name: 'agent',
    command: 'flowtoll-agent',
    main: 'agent/bin/flowtoll-agent.js',
    threads: ['agent/src/capture-worker.ts'],
    natives: [KOFFI],
    // grpc-js loads it for its own services of channelz and ORCA, which nobody starts here: it and its packages would be a fifth of the program.
    leftOut: ['@grpc/proto-loader'],
    split: false,
  },
  aggregator: {
    name: 'aggregator',
    command: 'flowtoll',
    main: 'aggregator/bin/flowtoll.js',
    threads: ['aggregator/src/api/row-reader-worker.ts'],
    natives: [DUCKDB],
    leftOut: [],
    // The clients of three clouds and of Kubernetes: most processes need at most two of them.
    split: true,
  },
};
