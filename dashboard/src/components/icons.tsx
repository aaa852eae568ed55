/** The page's icons: inline, drawn in the colour of the text, always beside a word that says the same. */
import type { AlertState, StreamState } from "../../../daemon/protocol.ts";
import type { VerdictKind } from "../wording.ts";

function Icon({ children, className }: { children: React.ReactNode; className?: string }) {
  return (
    <svg className={className === undefined ? "icon" : `icon ${className}`} viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

/** Each verdict has an outline of its own, so that it is told apart without colour and at tile size. */
export function VerdictIcon({ kind }: { kind: VerdictKind }) {
  switch (kind) {
    case "authentic":
      return (
        <Icon>
          <circle cx="8" cy="8" r="6.2" />
          <path d="m5.2 8.2 2 2 3.600-4.200" />
        </Icon>
      );
    case "uncertain":
      return (
        <Icon>
          <path d="M8 1.500 14.500 8 8 14.500 1.500 8Z" />
          <path d="M5.300 8.600q1.350-1.700 2.700-.6t2.700-.6" />
        </Icon>
      );
    case "suspicious":
      return (
        <Icon>
          <path d="M8 1.800 14.800 13.800H1.200Z" />
          <path d="M8 6.400v3.400M8 11.900v.1" />
        </Icon>
      );
    case "manipulated":
      return (
        <Icon>
          <path d="M5.300 1.500h5.400l3.800 3.800v5.400l-3.800 3.800H5.300l-3.800-3.800V5.300Z" fill="currentColor" />
          <path d="m5.700 5.700 4.600 4.600m0-4.600-4.600 4.600" stroke="var(--panel)" />
        </Icon>
      );
    case "unscored":
      return (
        <Icon>
          <circle cx="8" cy="8" r="6.200" strokeDasharray="2.600 2.270" />
          <path d="M5.600 8h4.800" />
        </Icon>
      );
  }
}

export function StateIcon({ state }: { state: StreamState }) {
  switch (state) {
    case "live":
      return (
        <Icon>
          <circle cx="8" cy="8" r="3.200" fill="currentColor" stroke="none" />
          <path d="M3.400 12.600a6.500 6.500 0 0 1 0-9.200m9.200 0a6.500 6.500 0 0 1 0 9.200" />
        </Icon>
      );
    case "waiting":
      return (
        <Icon>
          <path d="M8 11V3.500m0 0L5 6.500m3-3 3 3M2.500 10.500v2A1.500 1.500 0 0 0 4 14h8a1.500 1.500 0 0 0 1.500-1.500v-2" />
        </Icon>
      );
    case "starting":
      return (
        <Icon>
          <path d="M5 3v10l8-5Z" />
        </Icon>
      );
    case "stalled":
      return (
        <Icon>
          <path d="M5.500 3.500v9m5-9v9" strokeWidth="2.200" />
        </Icon>
      );
    case "reconnecting":
      return (
        <Icon>
          <path d="M13.500 8A5.500 5.500 0 0 1 3.600 11.300M2.500 8a5.500 5.500 0 0 1 9.900-3.300" />
          <path d="M12.600 1.900v3h-3M3.400 14.100v-3h3" />
        </Icon>
      );
    case "failed":
      return (
        <Icon>
          <circle cx="8" cy="8" r="6.200" />
          <path d="M3.800 12.200 12.200 3.800" />
        </Icon>
      );
  }
}

export function AlertIcon({ state }: { state: AlertState }) {
  switch (state) {
    case "firing":
      return (
        <Icon>
          <path d="M3.500 11.500V7.300a4.500 4.500 0 0 1 9 0v4.200l1 1h-11Z" fill="currentColor" />
          <path d="M6.800 14.600h2.400" />
        </Icon>
      );
    case "pending":
      return (
        <Icon>
          <circle cx="8" cy="8" r="6.200" />
          <path d="M8 4.500V8l2.400 1.600" />
        </Icon>
      );
    case "resolved":
      return (
        <Icon>
          <path d="m3 8.500 3.200 3.200L13 4.900" />
        </Icon>
      );
  }
}

export function BackIcon() {
  return (
    <Icon>
      <path d="M13 8H3m0 0 4-4M3 8l4 4" />
    </Icon>
  );
}

export function ForwardIcon() {
  return (
    <Icon>
      <path d="M3 8h10m0 0L9 4m4 4-4 4" />
    </Icon>
  );
}

export function ThemeIcon() {
  return (
    <Icon>
      <circle cx="8" cy="8" r="6.200" />
      <path d="M8 1.800a6.200 6.200 0 0 1 0 12.400Z" fill="currentColor" />
    </Icon>
  );
}

export function WarningIcon() {
  return (
    <Icon>
      <path d="M8 1.800 14.800 13.800H1.200Z" />
      <path d="M8 6.400v3.400M8 11.900v.1" />
    </Icon>
  );
}

export function InfoIcon() {
  return (
    <Icon>
      <circle cx="8" cy="8" r="6.200" />
      <path d="M8 7.400v4M8 4.700v.1" />
    </Icon>
  );
}

export function KeyIcon() {
  return (
    <Icon className="icon-large">
      <circle cx="5" cy="11" r="3" />
      <path d="m7.200 8.800 6-6m-2.200 2.200 2 2" />
    </Icon>
  );
}

export function UnplugIcon() {
  return (
    <Icon className="icon-large">
      <path d="M4.500 6.500 9.500 11.500 8.300 12.700a3 3 0 0 1-4.300 0l-.7-.7a3 3 0 0 1 0-4.300ZM1.500 14.500l1.800-1.800M11.500 9.500 6.500 4.500l1.200-1.200a3 3 0 0 1 4.300 0l.7.7a3 3 0 0 1 0 4.300ZM14.500 1.500l-1.800 1.800" />
    </Icon>
  );
}

/** The mark: a frame around a pulse. */
export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" width="26" height="26" fill="none" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      <path d="M4 11V6a2 2 0 0 1 2-2h5M21 4h5a2 2 0 0 1 2 2v5M28 21v5a2 2 0 0 1-2 2h-5M11 28H6a2 2 0 0 1-2-2v-5" stroke="currentColor" strokeWidth="2.600" />
      <path d="M8 16h3.500l2.200-5.500 4.500 11L20.500 16H24" stroke="var(--accent)" strokeWidth="2.600" />
    </svg>
  );
}
