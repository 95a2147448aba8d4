import type { Page } from '../client/client.js';

/** Every item of a list call, page after page. */
export async function allPages<T>(
  page: (paging: { pageSize: number; pageToken?: string }) => Promise<Page<T>>,
): Promise<T[]> {
  const items: T[] = [];
  let pageToken: string | undefined;
  do {
    const next = await page({ pageSize: 1000, ...(pageToken && { pageToken }) });
    items.push(...next.items);
    pageToken = next.nextPageToken;
  } while (pageToken);
  return items;
}
