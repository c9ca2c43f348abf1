// Values under the pointer. The page says everything without it too.
'use strict';
for (const svg of document.querySelectorAll('svg.plot')) {
  const lines = JSON.parse(svg.dataset.plot);
  const cross = svg.querySelector('.cross');
  const tip = document.getElementById('tip');
  const hide = () => { tip.hidden = true; cross.setAttribute('d', ''); };
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) * svg.viewBox.baseVal.width / box.width;
    let head, best = Infinity;
    const rows = [];
    for (const line of lines) {
      let low = 0, high = line.x.length - 1;
      while (high - low > 1) { const mid = (low + high) >> 1; if (line.x[mid] < x) low = mid; else high = mid; }
      const i = x - line.x[low] < line.x[high] - x ? low : high;
      const off = Math.abs(line.x[i] - x);
      if (off > 25) continue;
      if (off < best) { best = off; head = line.t[i]; cross.setAttribute('d', `M${line.x[i]} 16V226`); }
      rows.push(`${line.n}  ${line.y[i]}`);
    }
    if (head === undefined) return hide();
    tip.textContent = [head, ...rows].join('\n');
    tip.hidden = false;
    const room = tip.getBoundingClientRect();
    tip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - room.width - 4)) + 'px';
    tip.style.top = Math.max(4, Math.min(event.clientY - room.height - 10, innerHeight - room.height - 4)) + 'px';
  });
}
