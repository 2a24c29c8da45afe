// The Dockerfiles against the assembler: the same program, user, ports, environment, labels and versions, and a build that runs the same
// script. They are parsed, not built: there is no container daemon here.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Copy,
  type Dockerfile,
  DockerfileParser,
  type From,
  type Instruction,
  type JSONInstruction,
  type PropertyInstruction,
} from 'dockerfile-ast';
import { beforeAll, describe, expect, test } from 'vitest';
import { softwareVersion } from './assemble.ts';
import { DEBIAN_SUITE } from './lock.ts';
import { type ImageConfig, imageConfig } from './parts/image-config.ts';
import { PROGRAMS, type ProgramName } from './parts/programs.ts';

const ROOT = join(import.meta.dirname, '..');
const NAMES = Object.keys(PROGRAMS) as ProgramName[];

interface Stage {
  readonly from: From;
  readonly instructions: readonly Instruction[];
}

/** Stages with what they say, by DockerfileParser. */
function stagesOf(file: Dockerfile): Stage[] {
  const stages: { from: From; instructions: Instruction[] }[] = [];
  for (const instruction of file.getInstructions()) {
    if (instruction.getKeyword() === 'FROM') stages.push({ from: instruction as From, instructions: [] });
    else stages.at(-1)?.instructions.push(instruction);
  }
  return stages;
}

const ofKind = ({ instructions }: Stage, keyword: string): Instruction[] =>
  instructions.filter((each) => each.getKeyword() === keyword);

const texts = (stage: Stage, keyword: string): string[] =>
  ofKind(stage, keyword).map((each) => each.getArgumentsContent() ?? '');

/** ENV or LABEL: all names with their values. */
function properties(stage: Stage, keyword: string): Record<string, string> {
  const all = ofKind(stage, keyword).flatMap((each) => (each as PropertyInstruction).getProperties());
  return Object.fromEntries(all.map((each) => [each.getName(), each.getValue() ?? '']));
}

/** ENTRYPOINT or CMD in the form that needs no shell. */
function words(stage: Stage, keyword: string): string[] {
  const found = ofKind(stage, keyword) as JSONInstruction[];
  expect(found.length, keyword).toBe(1);
  expect(found[0]!.getOpeningBracket(), `${keyword} would need a shell`).not.toBeNull();
  return found[0]!.getJSONStrings().map((each) => JSON.parse(each.getValue()) as string);
}

describe.each(NAMES)('images/%s.Dockerfile', (name) => {
  let build: Stage;
  let image: Stage;
  let config: ImageConfig;
  let stages: Stage[];
  beforeAll(() => {
    stages = stagesOf(DockerfileParser.parse(readFileSync(join(import.meta.dirname, `${name}.Dockerfile`), 'utf8')));
    [build, image] = stages as [Stage, Stage];
    config = imageConfig(name, softwareVersion());
  });

  test('a container is started as from the assembled image', () => {
    expect(words(image, 'ENTRYPOINT')).toEqual(config.entrypoint);
    expect(words(image, 'CMD')).toEqual(config.cmd);
    expect(properties(image, 'ENV')).toEqual(config.env);
    expect(properties(image, 'LABEL')).toEqual(config.labels);
    expect(texts(image, 'USER')).toEqual([config.user]);
    expect(texts(image, 'WORKDIR')).toEqual([config.workingDir]);
    expect(texts(image, 'EXPOSE').flatMap((text) => text.split(' '))).toEqual(config.exposedPorts);
    expect(texts(image, 'STOPSIGNAL')).toEqual([config.stopSignal]);
  });

  test('the image is the root file system that the assembler makes, on nothing', () => {
    expect(stages.length).toBe(2);
    expect(image.from.getImage()).toBe('scratch');
    expect(image.instructions.map((each) => each.getKeyword()).sort()).toEqual(
      ['CMD', 'COPY', 'ENTRYPOINT', 'ENV', 'EXPOSE', 'LABEL', 'STOPSIGNAL', 'USER', 'WORKDIR'].sort(),
    );
    const [copy] = ofKind(image, 'COPY') as Copy[];
    expect(copy!.getFromFlag()?.getValue()).toBe(build.from.getBuildStage());
    expect(copy!.getArguments().map((each) => each.getValue())).toEqual(['/out/root/', '/']);
    const assembling = texts(build, 'RUN').at(-1)!;
    expect(assembling).toBe(
      `node images/assemble.ts ${name} --root-only --platform linux/$TARGETARCH --out /out && mv /out/${name}-$TARGETARCH /out/root`,
    );
    // The variable is empty where it is not declared after FROM.
    expect(texts(build, 'ARG')).toEqual(['TARGETARCH']);
  });

  test("it is built by the project's Node, on the Debian that the files are taken from", () => {
    const { devDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    expect(build.from.getImage()).toBe(`docker.io/library/node:${devDependencies['node']}-${DEBIAN_SUITE}`);
    expect(build.from.getPlatformFlag()?.getValue()).toBe('$BUILDPLATFORM');
  });

  test('what it copies is in the context', () => {
    const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n');
    expect(ignored).toContain('*');
    const sources = ofKind(build, 'COPY').flatMap((each) =>
      (each as Copy)
        .getArguments()
        .slice(0, -1)
        .map((argument) => argument.getValue()),
    );
    expect(sources.length).toBeGreaterThan(6);
    for (const source of sources) {
      const allowed = ignored.some((line) => line.startsWith('!/') && `${source}/`.startsWith(`${line.slice(2)}/`));
      expect(allowed, source).toBe(true);
    }
  });
});
