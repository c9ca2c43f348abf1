import type { User } from "../../sync/api";
import { Icon } from "../../ui/icon";
import { Name } from "../../ui/name";
import css from "./people.module.css";

export function ChosenPeople({ people, onRemove }: { people: readonly User[]; onRemove: (user: User) => void }) {
  if (people.length === 0) return null;
  return (
    <ul className={css.chosen} aria-label="Chosen">
      {people.map((user) => (
        <li key={user.id}>
          <button
            type="button"
            className={css.pill}
            onClick={() => {
              onRemove(user);
            }}
          >
            <span className="visually-hidden">Remove </span>
            <Name className={css.pillName}>{user.displayName}</Name>
            <Icon name="close" size={16} />
          </button>
        </li>
      ))}
    </ul>
  );
}
