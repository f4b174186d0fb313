// The texts on the page whose contrast with what is behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3).
const channel = (value) => { const c = value / 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
const parse = (text) => {
  const numbers = text.match(/[\d.]+/g).map(Number);
  return numbers.length > 3 && numbers[3] === 0 ? null : numbers.slice(0, 3);
};
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    if (at instanceof SVGGElement && at.querySelector("rect")) {
      const fill = parse(getComputedStyle(at.querySelector("rect")).fill);
      if (fill) return fill;
    }
    const color = parse(getComputedStyle(at).backgroundColor);
    if (color) return color;
  }
  return [255, 255, 255];
};
const faint = new Set();
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const element = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || ["SCRIPT", "TITLE", "title"].includes(element.tagName)) continue;
  const style = getComputedStyle(element);
  const ink = parse(element instanceof SVGElement ? style.fill : style.color);
  const [high, low] = [light(ink), light(behind(element))].sort((a, b) => b - a);
  const ratio = (high + 0.05) / (low + 0.05);
  if (ratio < 4.5) faint.add(`${element.className.baseVal ?? element.className} ${element.tagName} ${ratio.toFixed(2)}`);
}
return [...faint];
