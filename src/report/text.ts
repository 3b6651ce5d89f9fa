/** `7.01 MiB`: bytes in binary units with three digits. */
export function bytesText(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(value >= 1000 ? 4 : 3)} ${units[unit]}`;
}

/** `3.67 M`: a count in thousands, millions or billions. */
export function countText(count: number): string {
  const [unit, size] =
    count >= 1e9 ? [" G", 1e9] : count >= 1e6 ? [" M", 1e6] : count >= 1e3 ? [" k", 1e3] : ["", 1];
  return unit === "" ? String(count) : `${(count / size).toPrecision(3)}${unit}`;
}

/** `12.3 s`, or minutes and hours of longer times. */
export function secondsText(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
