/** Trust and the gate's verdict: what is said before any number. */

import type { JSX } from "preact";

import type { Detail } from "./messages";
import { Message } from "./ui";

export function Verdict(props: { detail: Detail }): JSX.Element {
  const { trust, last_run: run, to_settle: open } = props.detail;
  const refused = run !== null && (run.state === "failed" || run.state === "kept_previous") && run.reasons.length > 0;
  return (
    <section class="banner" aria-label="How far to trust this">
      {trust ? (
        <Message
          kind={trust.score < 0.5 ? "bad" : trust.score < 0.8 ? "warn" : "good"}
          title={`Trust ${String(Math.round(100 * trust.score))} %: ${
            trust.score < 0.5 ? "do not plan by these curves alone" : trust.score < 0.8 ? "move by steps" : "may be planned by"
          }`}
        >
          <p>{trust.text}</p>
        </Message>
      ) : props.detail.curves_version ? (
        <Message kind="warn" title="Not fitted here">
          <p>Nothing is known of how far these curves are to be trusted.</p>
        </Message>
      ) : null}
      {refused ? (
        <Message
          kind={run.state === "failed" ? "bad" : "warn"}
          title={run.state === "failed" ? "The last fit failed" : "The last fit was not taken; the curves before it stay"}
        >
          <ul>
            {run.reasons.map((reason) => (
              <li key={reason}>{reason}</li>
            ))}
          </ul>
        </Message>
      ) : null}
      {open.length ? (
        <Message kind="warn" title="To be settled by a person">
          <ul>
            {open.map((finding) => (
              <li key={finding.message}>{finding.message}</li>
            ))}
          </ul>
        </Message>
      ) : null}
    </section>
  );
}
