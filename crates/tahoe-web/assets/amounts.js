// Sizes, rates and times for people.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

// The rate and the time left, once there is enough to tell them by.
export function pace(sent, left, started) {
  const seconds = (performance.now() - started) / 1000;
  if (seconds < 1 || sent === 0) return [];
  const rate = sent / seconds;
  return [`${size(rate)}/s`, `${time(left / rate)} left`];
}

export function size(bytes) {
  const unit = Math.min(Math.floor(Math.log10(Math.max(bytes, 1)) / 3), UNITS.length - 1);
  const digits = unit === 0 ? 0 : 1;
  return `${(bytes / 1000 ** unit).toFixed(digits)} ${UNITS[unit]}`;
}

function time(seconds) {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
