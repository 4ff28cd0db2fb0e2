/** Numbers as people write them: one style for the whole page. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

export const NOT_KNOWN = "–";

/** 421,292; small amounts keep three digits. */
export function amount(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOT_KNOWN;
  const text = Math.abs(value) >= 100 || value === 0 ? whole.format(value) : fine.format(value);
  return text === "-0" ? "0" : text.replace("-", "−");
}

/** 421K, for axes. */
export function short(value: number): string {
  return compact.format(value).replace("-", "−");
}

/** +12,300 or −4. */
export function signed(value: number | null | undefined): string {
  const text = amount(value);
  return typeof value === "number" && value > 0 ? `+${text}` : text;
}

/** A share as a percentage: 0.246 is 24.6 %. */
export function percent(value: number | null | undefined, withSign = false): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NOT_KNOWN;
  const number = 100 * value;
  const digits = Math.abs(number) >= 99.95 || Number.isInteger(number) ? 0 : 1;
  const text = number.toFixed(digits).replace(/^-0(\.0)?$/, "0").replace("-", "−");
  return `${withSign && number > 0 ? "+" : ""}${text} %`;
}

/** 90 %: 1 to 2; nothing where no interval is known. */
export function range(ends: readonly number[] | null | undefined): string {
  return ends ? `${amount(ends[0])} to ${amount(ends[1])}` : "";
}

/** What somebody typed as an amount (spaces and thousands' commas allowed), null for nothing. */
export function typed(text: string): number | null | undefined {
  const plain = text.replace(/[\s\u00a0\u202f]/g, "").replace(/,(?=\d{3}(\D|$))/g, "");
  if (plain === "") return null;
  if (!/^\d+(\.\d+)?$/.test(plain)) return undefined;
  return Number(plain);
}

/** online_video is "online video". */
export function spoken(name: string): string {
  return name.replace(/_/g, " ");
}
