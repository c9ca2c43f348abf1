import { IconButton } from "../../ui/button";
import { Icon } from "../../ui/icon";
import { contentTypeOf, sizeOf } from "../media/measures";
import { useBlobUrl } from "../media/source";
import type { Staged, StagedFile } from "./staged";
import css from "./composer.module.css";

export function StagedStrip({ staged }: { staged: Staged }) {
  return (
    <ul className={css.strip} aria-label="Files to send">
      {staged.files.map((one) => (
        <Chip
          key={one.id}
          staged={one}
          onRemove={() => {
            staged.remove(one.id);
          }}
        />
      ))}
    </ul>
  );
}

function Chip({ staged: { file }, onRemove }: { staged: StagedFile; onRemove: () => void }) {
  const picture = useBlobUrl(contentTypeOf(file) === "image" ? file : null);
  return (
    <li className={css.chip}>
      {picture === undefined ? (
        <span className={css.chipIcon}>
          <Icon name="file" />
        </span>
      ) : (
        <img src={picture} alt="" className={css.chipPicture} />
      )}
      <span className={css.chipWords}>
        <bdi dir="auto" className={css.chipName}>
          {file.name.slice(0, 120)}
        </bdi>
        <span className={css.chipSize}>{sizeOf(file.size)}</span>
      </span>
      <IconButton icon="close" label={`Remove ${file.name.slice(0, 80)}`} onClick={onRemove} />
    </li>
  );
}
