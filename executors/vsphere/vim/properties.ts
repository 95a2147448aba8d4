import type { CallLimits, VimClient } from './client.js';
import { list, type Ref, ref, type Wire } from './wire.js';

/** Properties of one managed object, by their paths (`config.extraConfig`); one that is unset is absent. */
export interface ObjectProperties {
  readonly ref: Ref;
  readonly values: Readonly<Record<string, unknown>>;
}

/** As many objects as come in one answer; the rest comes page by page. */
const PAGE = 100;

/** Properties of objects that are known. One that is gone is not among them. */
export async function readObjects(
  vim: VimClient,
  refs: readonly Ref[],
  paths: readonly string[],
  limits: CallLimits = {},
): Promise<readonly ObjectProperties[]> {
  if (refs.length === 0) return [];
  const types = [...new Set(refs.map(one => one.type))];
  return retrieve(
    vim,
    {
      propSet: types.map(type => ({ type, pathSet: paths })),
      objectSet: refs.map(one => ({ obj: ref(one), skip: false })),
      reportMissingObjectsInResults: true,
    },
    limits,
  );
}

/** Properties of everything of one type below a folder, whatever its depth. */
export async function readBelow(
  vim: VimClient,
  folder: Ref,
  type: string,
  paths: readonly string[],
  limits: CallLimits = {},
): Promise<readonly ObjectProperties[]> {
  const { viewManager } = await vim.content(limits);
  const view = (await vim.call(
    'CreateContainerView',
    { _this: ref(viewManager), container: ref(folder), type: [type], recursive: true },
    limits,
  )) as Ref;
  try {
    const traversal = {
      attributes: { 'xsi:type': 'TraversalSpec' },
      type: 'ContainerView',
      path: 'view',
      skip: false,
    };
    return await retrieve(
      vim,
      {
        propSet: [{ type, pathSet: paths }],
        objectSet: [{ obj: ref(view), skip: true, selectSet: [traversal] }],
        reportMissingObjectsInResults: true,
      },
      limits,
    );
  } finally {
    await vim.call('DestroyView', { _this: ref(view) }).catch(() => {});
  }
}

async function retrieve(
  vim: VimClient,
  specSet: Wire,
  limits: CallLimits,
): Promise<readonly ObjectProperties[]> {
  const { propertyCollector } = await vim.content(limits);
  const self = ref(propertyCollector);
  const found: ObjectProperties[] = [];
  let page = (await vim.call(
    'RetrievePropertiesEx',
    { _this: self, specSet: [specSet], options: { maxObjects: PAGE } },
    limits,
  )) as Page | undefined;
  while (page) {
    found.push(...list(page.objects).map(one => propertiesOf(one as ObjectContent)));
    if (page.token === undefined) break;
    page = (await vim.call(
      'ContinueRetrievePropertiesEx',
      { _this: self, token: page.token },
      limits,
    )) as Page;
  }
  return found;
}

interface Page {
  readonly token?: string;
  readonly objects?: unknown;
}

interface ObjectContent {
  readonly obj: Ref;
  readonly propSet?: unknown;
}

function propertiesOf({ obj, propSet }: ObjectContent): ObjectProperties {
  const pairs = list(propSet).map(one => {
    const { name, val } = one as { name: string; val: unknown };
    return [name, val] as const;
  });
  return { ref: obj, values: Object.fromEntries(pairs) };
}
