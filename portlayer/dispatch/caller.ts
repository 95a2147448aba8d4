/** Who the present call is made for. */
export function caller(): string {
  return 'api';
}
