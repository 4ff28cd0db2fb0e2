/** The service, asked over HTTP: the key comes from sessionStorage and goes into a header only. */

import type { Problem } from "./messages";

const BASE = location.pathname.replace(/\/dashboard\/?$/, "");
const KEY = "marginal-key";

export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail || problem.title);
  }
}

/** Neither an answer nor a problem: no connection, or a gateway's page. */
export class Unreachable extends Error {}

export function keep(key: string): void {
  sessionStorage.setItem(KEY, key);
}

export function forget(): void {
  sessionStorage.removeItem(KEY);
}

export function hasKey(): boolean {
  return sessionStorage.getItem(KEY) !== null;
}

export function address(path: string): string {
  return `${BASE}/${path}`;
}

async function sent(
  method: string,
  path: string,
  body: BodyInit | null,
  type: string | null,
  signal?: AbortSignal,
): Promise<Response> {
  const headers = new Headers();
  const key = sessionStorage.getItem(KEY);
  if (key) headers.set("x-functions-key", key);
  if (type) headers.set("content-type", type);
  let response: Response;
  try {
    response = await fetch(address(path), { method, headers, body, signal: signal ?? null });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Unreachable("The service does not answer. Is it running, and are you online?");
  }
  if (response.ok) return response;
  const text = await response.text();
  let problem: Problem;
  try {
    problem = JSON.parse(text) as Problem;
  } catch {
    problem = { type: "", title: response.statusText, status: response.status, detail: "" };
  }
  problem.status = response.status;
  problem.detail ||= problem.title || `The service answered ${response.status}.`;
  throw new Refused(problem);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await sent("GET", path, null, null, signal)).json()) as T;
}

export async function post<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const text = body === null ? "" : JSON.stringify(body);
  const type = body === null ? null : "application/json";
  return (await (await sent("POST", path, text, type, signal)).json()) as T;
}

export async function put<T>(path: string, body: BodyInit, type: string): Promise<T> {
  return (await (await sent("PUT", path, body, type)).json()) as T;
}

export async function page(path: string): Promise<Blob> {
  return (await sent("GET", path, null, null)).blob();
}

/** A vendored file beside the page: no key goes with it. */
export async function vendored(file: string): Promise<Blob> {
  return (await fetch(address(`dashboard/${file}`))).blob();
}
