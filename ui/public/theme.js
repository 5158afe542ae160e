// "light" and "dark" are the user's choice; anything else follows the system.
(function () {
  var chosen = null;
  try {
    chosen = localStorage.getItem("skylane.theme");
  } catch {
    // A browser that keeps nothing still has a system to follow.
  }
  var dark =
    chosen === "dark" || (chosen !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.classList.toggle("dark", dark);
})();
