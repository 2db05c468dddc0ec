// The picture that `reparam inspect --html` writes: choosing, searching and zooming. The boxes and lines are already there.
// Everything that a model file says enters the page as text (textContent), never as markup.
const { nodes } = JSON.parse(document.getElementById('data').textContent);
const view = document.getElementById('view');
const svg = view.querySelector('svg');
const details = document.getElementById('details');
const search = document.getElementById('search');
const found = document.getElementById('found');
const boxes = [...svg.querySelectorAll('.node')];
const paths = [...svg.querySelectorAll('path')];
const full = { width: svg.viewBox.baseVal.width, height: svg.viewBox.baseVal.height };
let chosen = 0;
let scale = 1;

function element(name, text, parent) {
  const made = document.createElement(name);
  made.textContent = text;
  parent.append(made);
  return made;
}

function links(title, indices, parent) {
  element('dt', title, parent);
  const cell = element('dd', indices.length === 0 ? 'none' : '', parent);
  for (const index of indices) {
    const link = element('button', nodes[index].name, cell);
    link.className = 'link';
    link.addEventListener('click', () => choose(index));
    cell.append(document.createElement('br'));
  }
}

function showDetails(node) {
  details.replaceChildren();
  element('h2', node.name, details);
  const list = element('dl', '', details);
  for (const [title, value] of node.facts) {
    element('dt', title, list);
    element('dd', value, list);
  }
  links('reads', node.reads, list);
  links('read by', node.readBy, list);
}

function choose(index, { focus = true } = {}) {
  boxes[chosen].classList.remove('chosen');
  boxes[chosen].setAttribute('tabindex', '-1');
  chosen = index;
  const node = nodes[index];
  boxes[index].classList.add('chosen');
  boxes[index].setAttribute('tabindex', '0');
  const near = new Set([index, ...node.reads]);
  for (const path of paths) path.classList.toggle('marked', near.has(Number(path.dataset.from)));
  showDetails(node);
  if (focus) boxes[index].focus({ preventScroll: true });
  boxes[index].scrollIntoView({ block: 'nearest', inline: 'nearest' });
}

function zoom(to) {
  const at = {
    x: (view.scrollLeft + view.clientWidth / 2) / scale,
    y: (view.scrollTop + view.clientHeight / 2) / scale,
  };
  scale = Math.min(4, Math.max(0.02, to));
  svg.setAttribute('width', full.width * scale);
  svg.setAttribute('height', full.height * scale);
  view.scrollLeft = at.x * scale - view.clientWidth / 2;
  view.scrollTop = at.y * scale - view.clientHeight / 2;
}

function find() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const hits = [];
  for (const [i, node] of nodes.entries()) {
    const hit = words.every((word) => `${node.name} ${node.op}`.toLowerCase().includes(word));
    boxes[i].classList.toggle('faint', !hit);
    if (hit) hits.push(i);
  }
  found.textContent = words.length === 0 ? '' : `${hits.length} of ${nodes.length}`;
  return hits;
}

svg.addEventListener('click', (event) => {
  const box = event.target.closest('.node');
  if (box) choose(boxes.indexOf(box));
});

svg.addEventListener('focusin', (event) => {
  const index = boxes.indexOf(event.target.closest('.node'));
  if (index >= 0 && index !== chosen) choose(index);
});

svg.addEventListener('keydown', (event) => {
  const { reads, readBy } = nodes[chosen];
  const to = {
    ArrowDown: chosen + 1,
    ArrowUp: chosen - 1,
    ArrowRight: readBy[0],
    ArrowLeft: reads[0],
    Home: 0,
    End: nodes.length - 1,
    Enter: chosen,
    ' ': chosen,
  }[event.key];
  if (to === undefined || !nodes[to]) return;
  event.preventDefault();
  choose(to);
});

search.addEventListener('input', find);
search.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter') return;
  const hits = find();
  const next = hits.find((i) => i > chosen) ?? hits[0];
  if (next !== undefined) choose(next, { focus: false });
});

document.getElementById('layers').addEventListener('click', (event) => {
  const row = event.target.closest('button[data-node]');
  if (row) choose(Number(row.dataset.node));
});

document.getElementById('in').addEventListener('click', () => zoom(scale * 1.25));
document.getElementById('out').addEventListener('click', () => zoom(scale / 1.25));
document.getElementById('fit').addEventListener('click', () => zoom(view.clientWidth / full.width));
view.addEventListener(
  'wheel',
  (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    zoom(scale * (event.deltaY < 0 ? 1.1 : 1 / 1.1));
  },
  { passive: false },
);

view.addEventListener('pointerdown', (event) => {
  if (event.button !== 0 || event.target.closest('.node')) return;
  const from = { x: event.clientX + view.scrollLeft, y: event.clientY + view.scrollTop };
  const move = (to) => {
    view.scrollLeft = from.x - to.clientX;
    view.scrollTop = from.y - to.clientY;
  };
  view.classList.add('moving');
  view.addEventListener('pointermove', move);
  addEventListener(
    'pointerup',
    () => {
      view.classList.remove('moving');
      view.removeEventListener('pointermove', move);
    },
    { once: true },
  );
});

zoom(Math.min(1, view.clientWidth / full.width));
if (nodes.length > 0) choose(0, { focus: false });
view.scrollLeft = (view.scrollWidth - view.clientWidth) / 2;
