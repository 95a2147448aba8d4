/** A WHERE clause in the making: conditions joined by AND, and the values for their question marks. */
export class Conditions {
  readonly values: unknown[] = [];
  private readonly parts: string[] = [];

  add(condition: string, ...values: unknown[]): void {
    this.parts.push(condition);
    this.values.push(...values);
  }

  isOneOf(column: string, values: readonly string[]): void {
    this.add(`${column} IN (${values.map(() => '?').join(', ')})`, ...values);
  }

  /** Every label must be there; an empty value matches any. */
  hasLabels(ownerColumn: string, labels: Readonly<Record<string, string>>): void {
    for (const [key, value] of Object.entries(labels)) {
      const any = value === '';
      this.add(
        `EXISTS (SELECT 1 FROM labels WHERE key = ? ${any ? '' : 'AND value = ?'} AND owner = ${ownerColumn})`,
        ...(any ? [key] : [key, value]),
      );
    }
  }

  get sql(): string {
    return this.parts.length === 0 ? '' : `WHERE ${this.parts.join(' AND ')}`;
  }
}
