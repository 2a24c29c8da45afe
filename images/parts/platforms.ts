// The platforms that images are made for, as everybody who has a part in them names them. Knows names alone.
import type { NodeArchitecture } from './programs.ts';

/** As in `linux/amd64`. */
export type Architecture = 'amd64' | 'arm64';

export interface Platform {
  /** Debian, OCI and Go. */
  readonly architecture: Architecture;
  readonly node: NodeArchitecture;
  /** Debian's folder of libraries. */
  readonly multiarch: string;
  /** `e_machine` of its ELF files. */
  readonly elfMachine: number;
  /** DuckDB's folder of extensions. */
  readonly duckdb: string;
  /** Tag of Python's wheels. */
  readonly wheel: string;
}

export const PLATFORMS: Readonly<Record<Architecture, Platform>> = {
  amd64: {
    architecture: 'amd64',
    node: 'x64',
    multiarch: 'x86_64-linux-gnu',
    elfMachine: 62,
    duckdb: 'linux_amd64',
    wheel: 'manylinux2014_x86_64',
  },
  arm64: {
    architecture: 'arm64',
    node: 'arm64',
    multiarch: 'aarch64-linux-gnu',
    elfMachine: 183,
    duckdb: 'linux_arm64',
    wheel: 'manylinux2014_aarch64',
  },
};

export const ARCHITECTURES = Object.keys(PLATFORMS) as Architecture[];
