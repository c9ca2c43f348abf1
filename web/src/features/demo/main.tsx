import "../../app.css";
import { createRoot } from "react-dom/client";
import { applyAppearance } from "../messenger/appearance";
import { Demo } from "./demo";

applyAppearance();

const root = document.getElementById("root");
if (root !== null) createRoot(root).render(<Demo />);
