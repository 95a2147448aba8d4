/** The methods this program calls. What is not here is not in the client. */
export const METHODS: ReadonlySet<string> = new Set([
  'RetrieveServiceContent',
  'Login',
  'Logout',
  'CurrentTime',
  'CreatePropertyCollector',
  'DestroyPropertyCollector',
  'CreateFilter',
  'WaitForUpdatesEx',
  'RetrievePropertiesEx',
  'ContinueRetrievePropertiesEx',
  'CreateContainerView',
  'DestroyView',
  'FindByInventoryPath',
  'FindByUuid',
  'FindChild',
  'CloneVM_Task',
  'InstantClone_Task',
  'CheckInstantClone_Task',
  'ReconfigVM_Task',
  'PowerOnVM_Task',
  'PowerOffVM_Task',
  'SuspendVM_Task',
  'CreateSnapshot_Task',
  'RevertToSnapshot_Task',
  'RemoveSnapshot_Task',
  'Destroy_Task',
  'MakeDirectory',
  'DeleteDatastoreFile_Task',
]);

/** Types that are sent or come where the schema names a base or any type: nothing else refers to them. */
const TYPES = [
  'OptionValue',
  'VirtualSerialPort',
  'VirtualSerialPortFileBackingInfo',
  'TraversalSpec',
  'TaskInfo',
  'VirtualMachineSnapshotInfo',
  'VirtualMachineFileLayoutEx',
] as const;

/** The definitions at the top of a schema, one after another: what stands inside one is part of its match. */
const DEFINITION =
  /<(?:\w+:)?(complexType|simpleType) name="(\w+)"[^>]*>[\s\S]*?<\/(?:\w+:)?\1>|<(?:\w+:)?element name="(\w+)"(?: type="[^"]*")?(?:\s*\/>|>\s*<(?:\w+:)?complexType(?:\s*\/>|>[\s\S]*?<\/(?:\w+:)?complexType>)\s*<\/(?:\w+:)?element>)/g;
const MESSAGE = /<(?:\w+:)?(message|operation) name="(\w+)"[^>]*>[\s\S]*?<\/(?:\w+:)?\1>/g;

/**
 * A vCenter's WSDL and schemas without the methods this program does not call and the types that these alone use.
 * What it does not recognise stays as it is. Pure.
 */
export function pruneSchema(files: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const types = new Map<string, string>();
  const roots: string[] = [...TYPES, ...TYPES.map(name => `ArrayOf${name}`)];
  for (const text of files.values()) {
    for (const [whole, , type, element] of text.matchAll(DEFINITION)) {
      if (type !== undefined) types.set(type, whole);
      else if (element !== undefined && isCalled(element)) roots.push(...referred(whole));
    }
  }
  const kept = reachable(types, roots);
  return new Map([...files].map(([name, text]) => [name, prune(text, kept)]));
}

function isCalled(name: string): boolean {
  return METHODS.has(name.replace(/(RequestMsg|ResponseMsg|Response)$/, ''));
}

function referred(text: string): readonly string[] {
  return [...text.matchAll(/(?:type|base)="(?:\w+:)?(\w+)"/g)].map(match => match[1] ?? '');
}

function reachable(types: ReadonlyMap<string, string>, roots: readonly string[]): ReadonlySet<string> {
  const kept = new Set<string>();
  const queue = [...roots];
  for (let name = queue.pop(); name !== undefined; name = queue.pop()) {
    const text = types.get(name);
    if (text === undefined || kept.has(name)) continue;
    kept.add(name);
    queue.push(...referred(text));
  }
  return kept;
}

function prune(text: string, kept: ReadonlySet<string>): string {
  return text
    .replaceAll(DEFINITION, (whole: string, _kind: string, type?: string, element?: string) =>
      (type !== undefined ? kept.has(type) : isCalled(element ?? '')) ? whole : '',
    )
    .replaceAll(MESSAGE, (whole: string, _kind: string, name: string) => (isCalled(name) ? whole : ''));
}
