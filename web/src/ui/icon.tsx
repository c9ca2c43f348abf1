/** Drawn on a 24-unit grid with a 1.8 stroke. */
const paths = {
  back: "M15 5l-7 7 7 7",
  forward: "M9 5l7 7-7 7",
  send: "M4 12l16-8-5 16-3.5-6.5z M11.5 13.5L20 4",
  plus: "M12 5v14 M5 12h14",
  close: "M6 6l12 12 M18 6L6 18",
  search: "M10.5 4a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13z M15.5 15.5L20 20",
  attach: "M19 11.5l-7.2 7.2a4.6 4.6 0 0 1-6.5-6.5l7.9-7.9a3.1 3.1 0 0 1 4.4 4.4l-7.8 7.8a1.6 1.6 0 0 1-2.3-2.3l6.7-6.7",
  smile: "M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z M8.5 14c.8 1.3 2 2 3.5 2s2.7-.7 3.5-2 M9 9.5v.6 M15 9.5v.6",
  more: "M12 5.5v.2 M12 12v.2 M12 18.4v.2",
  reply: "M10 6L4 12l6 6 M4 12h9c4 0 6.5 2 7 6",
  edit: "M5 19l1-4L16 5l3 3L9 18z M14 7l3 3",
  trash: "M5 7h14 M10 7V4.5h4V7 M7 7l1 12.5h8L17 7 M10.5 10.5v5.5 M13.5 10.5v5.5",
  copy: "M9 9h10v10H9z M6 15H5V5h10v1",
  info: "M12 3.5a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z M12 11v5.2 M12 7.8v.2",
  down: "M12 5v13 M6 12.5l6 6 6-6",
  mute: "M6 9.5h3l4-3.5v12l-4-3.5H6z M16 10l4 4 M20 10l-4 4",
  bell: "M6.5 16V11a5.5 5.5 0 0 1 11 0v5l1.5 1.5H5z M10.5 20h3",
  archive: "M4.5 6h15v4h-15z M6 10v8.5h12V10 M10 13.5h4",
  people:
    "M9 5.5a3 3 0 1 1 0 6 3 3 0 0 1 0-6z M3.5 19c.3-3.4 2.3-5 5.5-5s5.2 1.6 5.5 5 M15.5 6a2.7 2.7 0 0 1 0 5.2 M17 14.2c2 .6 3.2 2.2 3.5 4.8",
  person: "M12 4.5a3.6 3.6 0 1 1 0 7.2 3.6 3.6 0 0 1 0-7.2z M5 20c.4-4 3-6 7-6s6.6 2 7 6",
  channel: "M9.5 4.500L7.5 19.5 M16.5 4.500l-2 15 M5 9h15 M4 15h15",
  gear: "M4 7h9 M17 7h3 M4 17h3 M11 17h9 M15 4.800a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.400z M9 14.800a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.400z",
  file: "M6.5 3.500h7l4 4v13h-11z M13.5 3.500v4h4",
  download: "M12 4v11 M7 10.500l5 5 5-5 M5 20h14",
  retry: "M19 12a7 7 0 1 1-2-5 M19.5 3.500V8H15",
  pause: "M9 6v12 M15 6v12",
  play: "M8 5.500l10 6.5-10 6.500z",
  check: "M5 12.500l4.5 4.500L19 7.5",
  leave: "M13 5H6v14h7 M10.5 12H20 M16.5 8.500L20 12l-3.5 3.5",
  shield: "M12 3.500l7 2.500v5.500c0 4.5-2.8 7.3-7 9-4.2-1.7-7-4.5-7-9V6z",
  block: "M12 3.500a8.5 8.5 0 1 1 0 17 8.5 8.5 0 0 1 0-17z M6.2 6.200l11.6 11.6",
  device: "M7.5 3.500h9v17h-9z M11 17.800h2",
  theme: "M12 3.500a8.5 8.5 0 1 1 0 17z M12 3.500a8.5 8.5 0 0 0 0 17",
  key: "M8 9.500a4 4 0 1 1 0 8 4 4 0 0 1 0-8z M11 11l8-7 M16 6.500l2.5 2.8",
} as const;

export type IconName = keyof typeof paths;

/** Directional icons turn round where the text runs from right to left. */
const directional = new Set<IconName>(["back", "forward", "reply", "leave", "send"]);

export function Icon({ name, size = 22 }: { name: IconName; size?: number }) {
  return (
    <svg
      className={directional.has(name) ? "icon icon-directional" : "icon"}
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.8"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  );
}
