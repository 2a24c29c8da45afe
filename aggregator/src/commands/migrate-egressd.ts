// `flowtoll migrate-egressd`: values for our chart from those that egressd was installed with. Options in, text out.
import { readFileSync } from 'node:fs';
import { Argument, Command, Option } from 'commander';
import { stringify } from 'yaml';
import { type Migration, migrateEgressd } from '../migration/egressd/migrate.ts';
import type { Remark, RemarkKind } from '../migration/egressd/remarks.ts';
import { FlowtollError } from '../model/errors.ts';
import { type CommandOutput, processOutput } from './options.ts';

interface MigrateFlags {
  readonly store?: string;
  readonly exporterConfig?: string;
  readonly format: 'yaml' | 'json';
}

const TITLES: Readonly<Record<RemarkKind, string>> = {
  todo: 'To do first:',
  changed: 'Works in another way:',
  dropped: 'Has no counterpart, or needs none:',
};

export function migrateEgressdCommand(createOutput: () => CommandOutput = processOutput): Command {
  return new Command('migrate-egressd')
    .description(
      "turn the values of egressd's Helm chart into values of Flowtoll's, and say what has no counterpart (docs/egressd.md)",
    )
    .addArgument(
      new Argument('<values>', 'what `helm get values RELEASE --output yaml` prints; "-" reads standard input'),
    )
    .addOption(
      new Option('--store <where>', 'where the tables are to be: s3://…, gs://…, az://… or a directory').env(
        'FLOWTOLL_STORE',
      ),
    )
    .addOption(
      new Option(
        '--exporter-config <file>',
        "the exporter's configuration, where it is in a Secret or a template that only Helm understands",
      ),
    )
    .addOption(
      new Option('--format <format>', 'values for helm, with the remarks on standard error; or both as one document')
        .choices(['yaml', 'json'])
        .default('yaml'),
    )
    .action(async (file: string, { store, exporterConfig, format }: MigrateFlags) => {
      const output = createOutput();
      const migration = migrateEgressd({
        values: textOf(file),
        file: file === '-' ? 'standard input' : file,
        store,
        exporterConfig: exporterConfig === undefined ? undefined : textOf(exporterConfig),
      });
      await output.write(format === 'json' ? `${JSON.stringify(migration, null, 2)}\n` : valuesText(migration));
      if (format === 'yaml') output.remark(remarksText(migration.remarks));
    });
}

function textOf(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlowtollError(
      'EGRESSD_VALUES_INVALID',
      `${file} cannot be read: ${reason}; check the path and its permissions`,
      { cause },
    );
  }
}

function valuesText({ values }: Migration): string {
  const head =
    '# Values of charts/flowtoll, from those of egressd: helm install flowtoll charts/flowtoll --values THIS-FILE\n';
  return Object.keys(values).length === 0 ? `${head}{}\n` : `${head}${stringify(values, { lineWidth: 0 })}`;
}

function remarksText(remarks: readonly Remark[]): string {
  const kinds: readonly RemarkKind[] = ['todo', 'changed', 'dropped'];
  const lines = kinds.flatMap((kind) => {
    const own = remarks.filter((remark) => remark.kind === kind);
    return own.length === 0 ? [] : [TITLES[kind], ...own.map(({ path, text }) => `  ${path}: ${text}`)];
  });
  return lines.map((line) => `${line}\n`).join('');
}
