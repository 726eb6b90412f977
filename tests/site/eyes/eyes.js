// What a person with a phone, a keyboard, or another way of looking would stumble over, as a list of sentences.
// Evaluated in the page: the value of the last expression is an object of functions.
(() => {
  const WIDTH = 360;
  const TEXT = 14;
  const TARGET = 24;
  const PARTS = 8; // of a field with a date and a time, each is a stop of its own
  const CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex]";

  const called = (one) => {
    const name = one.id ? `#${one.id}` : (one.getAttribute("name") || one.textContent || "").trim().slice(0, 40);
    return `<${one.tagName.toLowerCase()}> ${name}`;
  };
  const isShown = (one) => one.checkVisibility({visibilityProperty: true}) && one.getClientRects().length > 0;
  const isUnseen = (one) => one.closest(".skip, .unseen") !== null;
  const all = (selector) => [...document.querySelectorAll(selector)].filter(isShown);

  // What sticks out, and is in no box that scrolls by itself.
  const tooWide = () => {
    if (document.documentElement.scrollWidth <= WIDTH) return [];
    const isHeld = (one) => one.closest(".wide") !== null && !one.matches(".wide");
    const out = all("body *").filter((one) => !isHeld(one) && one.getBoundingClientRect().right > WIDTH + 0.5);
    return [`it is ${document.documentElement.scrollWidth} px wide`, ...out.map(called).slice(-3)];
  };

  const hasText = (one) => [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const tooSmall = () => all("body *")
    .filter((one) => hasText(one) && parseFloat(getComputedStyle(one).fontSize) < TEXT)
    .map((one) => `${called(one)} has small letters`);

  // A link within a sentence may be as small as its line.
  const isInline = (one) => one.tagName === "A" && getComputedStyle(one).display === "inline";
  const tooSmallToHit = () => all("button, input, select, textarea, summary, form a")
    .filter((one) => !isUnseen(one) && !isInline(one))
    .filter((one) => {
      const {width, height} = one.getBoundingClientRect();
      return width < TARGET || height < TARGET;
    })
    .map((one) => `${called(one)} is too small a target`);

  // Of radio buttons of one name, Tab reaches one.
  const byTab = () => {
    const groups = new Set();
    return all(CONTROLS).filter((one) => {
      if (one.disabled || one.tabIndex < 0) return false;
      if (one.type !== "radio") return true;
      const group = `${one.form?.action} ${one.name}`;
      const isSeen = groups.has(group);
      groups.add(group);
      return !isSeen;
    });
  };

  const isMarked = (one) => {
    const style = getComputedStyle(one);
    return style.outlineStyle === "auto" || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
  };
  const listen = () => {
    window.eyesSeen = [];
    document.addEventListener("focusin", ({target}) => {
      window.eyesSeen.push([target, isMarked(target)]);
    });
    return byTab().reduce((sum, one) => sum + (/date|time/.test(one.type) ? PARTS : 1), 1);
  };
  const isSame = (one, other) => one === other
    || (one.type === "radio" && other.type === "radio" && one.name === other.name && one.form === other.form);
  const tabbed = () => {
    const wanted = byTab();
    const wrong = [];
    wanted.forEach((one, place) => {
      const [seen, isMarked] = window.eyesSeen[place] || [null, false];
      if (seen === null) wrong.push(`Tab does not reach ${called(one)}`);
      else if (!isSame(seen, one)) wrong.push(`Tab reaches ${called(seen)} in place of ${called(one)}`);
      else if (!isMarked) wrong.push(`the focus cannot be seen at ${called(one)}`);
    });
    return wrong.slice(0, 3);
  };

  const tables = () => all("table:not([role=presentation])")
    .filter((one) => one.querySelector("th, [role=gridcell]") === null)
    .map(() => "a table has no header cell");

  return {looks: () => [...tooWide(), ...tooSmall(), ...tooSmallToHit(), ...tables()], listen, tabbed};
})()
