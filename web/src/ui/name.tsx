/**
 * Text that somebody else wrote, inside a line of ours: isolated, so that its direction and its override characters end with
 * it; its own direction is taken from its first strong letter.
 */
export function Name({ children, className }: { children: string; className?: string | undefined }) {
  return (
    <bdi dir="auto" className={className}>
      {children.length > 200 ? `${children.slice(0, 200)}…` : children}
    </bdi>
  );
}
