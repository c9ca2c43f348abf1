// Renders the server's OpenAPI and AsyncAPI documents. Text is always set as text, never as HTML.
"use strict";

const el = (tag, attrs = {}, ...kids) => {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) e.setAttribute(k, v);
  e.append(...kids.filter((k) => k !== null && k !== undefined && k !== ""));
  return e;
};

const deref = (doc, s) => {
  for (let i = 0; s && s.$ref && i < 20; i++) {
    s = s.$ref.replace(/^#\//, "").split("/").reduce((o, k) => o && o[k.replace(/~1/g, "/").replace(/~0/g, "~")], doc);
  }
  return s || {};
};

const limits = (s) => {
  const out = [];
  const say = (k, t) => { if (s[k] !== undefined) out.push(t + " " + s[k]); };
  say("minLength", "length ≥"); say("maxLength", "length ≤"); say("minItems", "items ≥"); say("maxItems", "items ≤");
  say("minimum", "≥"); say("maximum", "≤"); say("default", "default"); say("pattern", "pattern"); say("format", "");
  if (s.enum) out.push("one of " + s.enum.join(", "));
  if (s.const !== undefined) out.push("always " + s.const);
  return out.join("; ").trim();
};

const typeName = (doc, s) => {
  if (!s) return "";
  if (s.$ref) return s.$ref.split("/").pop();
  const t = Array.isArray(s.type) ? s.type.filter((x) => x !== "null").join(" or ") : s.type || "any";
  return t === "array" ? "array of " + typeName(doc, s.items) : t;
};

const fields = (doc, schema) => {
  const s = deref(doc, schema);
  if (s.type === "array") return fields(doc, s.items);
  const parts = (s.oneOf || s.anyOf || s.allOf);
  if (!s.properties && parts) return el("div", {}, ...parts.map((p) => fields(doc, p)));
  if (!s.properties) return el("p", { class: "note" }, typeName(doc, s), " ", limits(s));
  const need = new Set(s.required || []);
  const rows = Object.entries(s.properties).map(([name, p]) => {
    const full = p.$ref ? { ...deref(doc, p), ...p } : p;
    const note = [p.description || full.description || "", p.$ref ? "" : limits(full)].filter(Boolean).join(" — ");
    const row = [el("tr", {}, el("td", {}, el("code", {}, name + (need.has(name) ? "" : "?"))), el("td", {}, typeName(doc, p)), el("td", { class: "note" }, note))];
    if (!p.$ref && p.type === "object" && p.properties) row.push(el("tr", {}, el("td"), el("td", { colspan: "2" }, fields(doc, p))));
    return row;
  });
  return el("table", {}, el("tbody", {}, ...rows.flat()));
};

const content = (doc, holder) => {
  const c = holder && holder.content && Object.entries(holder.content)[0];
  if (!c || !c[1].schema) return null;
  return el("div", {}, el("p", {}, el("b", {}, c[0]), " ", c[1].schema.$ref ? typeName(doc, c[1].schema) : ""), c[0].includes("json") ? fields(doc, c[1].schema) : null);
};

const operation = (doc, method, path, op) => {
  const params = (op.parameters || []).map((p) => deref(doc, p));
  const answers = Object.entries(op.responses || {}).filter(([s]) => s !== "default");
  return el("details", {},
    el("summary", {}, el("span", { class: "method" }, method.toUpperCase()), el("span", { class: "path" }, path), el("span", { class: "note" }, op.summary || "")),
    el("div", {},
      op.description ? el("p", {}, op.description) : null,
      op.security ? null : el("p", { class: "note" }, "No sign-in needed."),
      params.length ? el("h4", {}, "Parameters") : null,
      params.length ? el("table", {}, el("tbody", {}, ...params.map((p) => el("tr", {},
        el("td", {}, el("code", {}, p.name + (p.required ? "" : "?"))), el("td", {}, p.in), el("td", {}, typeName(doc, p.schema)),
        el("td", { class: "note" }, [p.description || (p.schema && p.schema.description) || "", limits(p.schema || {})].filter(Boolean).join(" — ")))))) : null,
      op.requestBody ? el("h4", {}, "Body") : null, content(doc, op.requestBody),
      ...answers.map(([status, r]) => el("div", {}, el("h4", {}, "Answer " + status), content(doc, deref(doc, r)))),
    ));
};

const rest = (doc) => {
  const tags = new Map();
  for (const [path, item] of Object.entries(doc.paths)) {
    for (const m of ["get", "head", "post", "put", "patch", "delete"]) {
      if (!item[m]) continue;
      const tag = (item[m].tags || ["Other"])[0];
      if (!tags.has(tag)) tags.set(tag, []);
      tags.get(tag).push(operation(doc, m, path, item[m]));
    }
  }
  return [...tags].map(([tag, ops]) => [el("h2", {}, "REST: " + tag), ...ops]).flat();
};

const frames = (doc) => {
  const out = [];
  for (const [title, action] of [["WebSocket: client to server", "receive"], ["WebSocket: server to client", "send"]]) {
    const seen = new Set();
    out.push(el("h2", {}, title));
    for (const op of Object.values(doc.operations || {})) {
      if (op.action !== action) continue;
      for (const ref of op.messages || Object.values((deref(doc, op.channel).messages) || {})) {
        const m = deref(doc, ref);
        const name = m.name || m.title || (ref.$ref || "").split("/").pop();
        if (seen.has(name)) continue;
        seen.add(name);
        const payload = deref(doc, m.payload && m.payload.schema ? m.payload.schema : m.payload);
        const inner = payload.properties && payload.properties.payload ? payload.properties.payload : payload;
        out.push(el("details", {},
          el("summary", {}, el("span", { class: "path" }, name), el("span", { class: "note" }, m.summary || m.description || payload.description || "")),
          el("div", {}, fields(doc, inner))));
      }
    }
  }
  return out;
};

const shapes = (doc) => [el("h2", {}, "Shapes"), ...Object.entries((doc.components || {}).schemas || {}).map(([name, s]) =>
  el("details", { id: "shape-" + name }, el("summary", {}, el("span", { class: "path" }, name), el("span", { class: "note" }, s.description || "")), el("div", {}, fields(doc, s))))];

const load = async (url, id, render) => {
  const at = document.getElementById(id);
  try {
    const res = await fetch(url);
    if (!res.ok) throw new Error(url + ": " + res.status);
    at.replaceChildren(...render(await res.json()));
  } catch (e) {
    at.replaceChildren(el("p", {}, "Could not show " + url + ": " + e.message));
  }
  at.removeAttribute("aria-busy");
};

load("/openapi.json", "rest", rest);
load("/openapi.json", "shapes", shapes);
load("/asyncapi.json", "frames", frames);
