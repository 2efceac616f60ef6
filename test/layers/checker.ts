/**
 * Applies rules.ts to a source tree: reads every .ts file under src/ and assembly/, and returns what breaks a rule.
 * It reads syntax only, with the TypeScript parser, so it also works on a planted tree that would not compile.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join, posix } from 'node:path'
import ts from 'typescript'
import { cryptoInterface, effectfulGlobals, type Layer, layerRules, mayInstantiateWasm } from './rules.js'

export type Violation = {
  /** Path from the tree's root, with forward slashes. */
  readonly file: string
  /** One-based. */
  readonly line: number
  readonly reason: string
}

type Import = { readonly specifier: string; readonly typeOnly: boolean; readonly node: ts.Node }

/** All violations of the tree at `root`, in file order; empty when it keeps the rules. */
export function findViolations(root: string): Violation[] {
  return [
    ...sourcesUnder(root, 'src').flatMap((file) => check(root, file, checkSource)),
    ...sourcesUnder(root, 'assembly').flatMap((file) => check(root, file, checkAssembly)),
  ]
}

/** Every .ts file under `root/folder`, as paths from `root`. */
export function sourcesUnder(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .map((path) => posix.join(folder, path.replaceAll('\\', '/')))
    .filter((path) => path.endsWith('.ts'))
    .sort()
}

type Report = (node: ts.Node, reason: string) => void

function check(
  root: string,
  file: string,
  rule: (source: ts.SourceFile, file: string, report: Report) => void,
): Violation[] {
  const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.ES2023, true)
  const found: Violation[] = []
  rule(source, file, (node, reason) => {
    const line = source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1
    found.push({ file, line, reason })
  })
  return found
}

function checkAssembly(source: ts.SourceFile, file: string, report: Report): void {
  for (const { specifier, node } of importsOf(source)) {
    const inside = isRelative(specifier) && resolve(file, specifier).startsWith('assembly/')
    if (!inside) report(node, `assembly imports ${specifier}, which is outside assembly/`)
  }
}

function checkSource(source: ts.SourceFile, file: string, report: Report): void {
  const layer = layerOf(file)
  if (layer === undefined) {
    report(source, 'is in no known layer')
    return
  }
  for (const found of importsOf(source)) {
    const reason = isRelative(found.specifier)
      ? localImportFault(layer, file, found)
      : packageImportFault(layer, found.specifier)
    if (reason !== undefined) report(found.node, reason)
  }
  visit(source, (node) => {
    const reason = globalFault(layer, file, node)
    if (reason !== undefined) report(node, reason)
  })
}

function localImportFault(layer: Layer, file: string, { specifier, typeOnly }: Import): string | undefined {
  const target = resolve(file, specifier)
  const targetLayer = layerOf(target)
  if (targetLayer === undefined) return `${layer} imports ${specifier}, which is in no layer of src/`
  if (targetLayer === layer || layerRules[layer].imports.includes(targetLayer)) return undefined
  if (target === cryptoInterface && layerRules[layer].cryptoTypes) {
    return typeOnly ? undefined : `${layer} imports values from crypto's interface, of which it may see types only`
  }
  return `${layer} imports ${targetLayer} (${specifier})`
}

function packageImportFault(layer: Layer, specifier: string): string | undefined {
  const { effects, packages } = layerRules[layer]
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/')
  if (specifier.startsWith('node:') || builtinModules.includes(name)) {
    return effects ? undefined : `${layer} imports ${specifier}, which only driver and cli may`
  }
  return packages.includes(name) ? undefined : `${layer} imports the package ${name}`
}

function globalFault(layer: Layer, file: string, node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node) && node.text.endsWith('.wasm') && layer !== 'driver') {
    return `${layer} names a .wasm file, which only driver reads`
  }
  if (!ts.isIdentifier(node) || isMemberName(node)) return undefined
  if (node.text === 'WebAssembly' && !mayInstantiateWasm(file)) return 'WebAssembly outside src/crypto/wasm.ts'
  if (layerRules[layer].effects) return undefined
  const { parent } = node
  if (node.text === 'Date' && !ts.isTypeNode(parent) && !isPureUseOfDate(node)) return `${layer} reads the clock: Date`
  if (node.text === 'Math' && memberOf(parent) === 'random') return `${layer} draws ambient randomness: Math.random`
  if (node.text === 'crypto' && isAmbientCrypto(parent)) return `${layer} uses the ambient crypto`
  return effectfulGlobals.has(node.text) ? `${layer} uses the global ${node.text}` : undefined
}

/** `new Date(givenMs)`, `Date.UTC` and `Date.parse` compute; anything else reads the clock or passes it on. */
function isPureUseOfDate({ parent }: ts.Identifier): boolean {
  if (ts.isNewExpression(parent)) return (parent.arguments?.length ?? 0) > 0
  return ['UTC', 'parse'].includes(memberOf(parent) ?? '')
}

/** The name `crypto` is what the interface is often called, so only the ambient object's own members count. */
function isAmbientCrypto(parent: ts.Node): boolean {
  return ['getRandomValues', 'randomUUID', 'subtle'].includes(memberOf(parent) ?? '')
}

function memberOf(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node)) return node.name.text
  if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression)) {
    return node.argumentExpression.text
  }
  return undefined
}

/** Whether the identifier names a member (`x.process`, `{ process: 1 }`) and so does not refer to a global. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node
  if (ts.isPropertyAccessExpression(parent) || ts.isQualifiedName(parent)) {
    return node === (ts.isQualifiedName(parent) ? parent.right : parent.name)
  }
  const named =
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isGetAccessorDeclaration(parent)
  return named && parent.name === node
}

/** Imports of every spelling: `import`, `import type`, re-export, `import()`, `import('x').T`, `import x = require('x')`. */
function importsOf(source: ts.SourceFile): Import[] {
  const found: Import[] = []
  const add = (literal: ts.Node | undefined, typeOnly: boolean, node: ts.Node) => {
    // A computed specifier cannot be checked; its source text then matches no layer and no package.
    const specifier = literal && ts.isStringLiteralLike(literal) ? literal.text : (literal?.getText(source) ?? '')
    found.push({ specifier, typeOnly, node })
  }
  visit(source, (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false, node)
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) add(node.moduleSpecifier, node.isTypeOnly, node)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false, node)
    else if (ts.isImportTypeNode(node))
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : node.argument, true, node)
    else if (ts.isExternalModuleReference(node)) add(node.expression, false, node)
  })
  return found
}

function visit(node: ts.Node, look: (node: ts.Node) => void): void {
  look(node)
  ts.forEachChild(node, (child) => visit(child, look))
}

function layerOf(file: string): Layer | undefined {
  const match = /^src\/(?:(index)\.ts$|([^/]+)\/)/.exec(file)
  const name = match?.[1] ?? match?.[2] ?? ''
  return name in layerRules && (match?.[1] !== undefined || name !== 'index') ? (name as Layer) : undefined
}

function isRelative(specifier: string): boolean {
  return /^\.{1,2}(\/|$)/.test(specifier)
}

function resolve(file: string, specifier: string): string {
  return posix.join(posix.dirname(file), specifier).replace(/\.js$/, '.ts')
}
