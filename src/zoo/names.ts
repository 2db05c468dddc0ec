/** A network's name as the zoo writes it: case, hyphens, underscores, points and spaces do not count. */
export function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[-_.\s]/g, '');
}
