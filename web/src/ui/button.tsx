import type { ComponentProps, ReactNode } from "react";
import { Icon, type IconName } from "./icon";
import css from "./button.module.css";

type ButtonProps = ComponentProps<"button"> & { tone?: "plain" | "primary" | "danger" | "quiet"; busy?: boolean; children: ReactNode };

export function Button({ tone = "plain", busy = false, children, className, disabled, type = "button", ...rest }: ButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      className={[css["button"], css[tone], className].filter(Boolean).join(" ")}
      disabled={disabled ?? busy}
      aria-busy={busy || undefined}
    >
      {children}
    </button>
  );
}

type IconButtonProps = Omit<ComponentProps<"button">, "children"> & {
  icon: IconName;
  label: string;
  tone?: "plain" | "accent";
  badge?: number;
};

/** A round button with a picture; its label is its name for screen readers and its tooltip. */
export function IconButton({ icon, label, tone = "plain", badge, className, type = "button", ...rest }: IconButtonProps) {
  return (
    <button
      {...rest}
      type={type}
      className={[css["round"], tone === "accent" ? css["accent"] : undefined, className].filter(Boolean).join(" ")}
      aria-label={label}
      title={label}
    >
      <Icon name={icon} />
      {badge !== undefined && badge > 0 && (
        <span className={css["badge"]} aria-hidden="true">
          {badge > 99 ? "99+" : badge}
        </span>
      )}
    </button>
  );
}
